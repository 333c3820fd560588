"""Facts as text: counts and lists inside sentences, and settings flattened, with every value that occurs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def count(number: int, noun: str) -> str:
    """Return "1 seed", "2 seeds"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(names: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def inside(label: str) -> str:
    """Return a label as it is written inside a sentence: "median latency", but "MACs"."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield "outer.inner" and the value as text for each leaf of nested mappings; None is left out.

    Mappings in a list are numbered: "arms.0.model". Fractions have six digits.
    """
    for key, value in content.items():
        if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value)}
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif value is not None:
            values = value if isinstance(value, list | tuple) else [value]
            yield f"{prefix}{key}", ", ".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in values)


def distinct(contents: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return each flattened key with the values that occur for it, in order of appearance."""
    occurring: dict[str, list[str]] = {}
    for content in {id(content): content for content in contents}.values():  # records share what they say alike
        for key, value in flatten(content):
            values = occurring.setdefault(key, [])
            if value not in values:
                values.append(value)
    return occurring
