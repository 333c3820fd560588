"""Small words for generated sentences: counts and lists."""

from collections.abc import Iterable


def count(number: int, noun: str) -> str:
    """Return "1 seed", "2 seeds"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(names: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def inside(label: str) -> str:
    """Return a label as it stands inside a sentence: "median latency", but "MACs"."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
