"""What a run was made with: each setting and each fact of the environment, and whether all records agree."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield "outer.inner" and the value as text for each leaf of nested mappings; None is left out.

    The mappings of a list go by their number: "arms.0.model".
    """
    for key, value in content.items():
        if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value)}
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif value is not None:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield f"{prefix}{key}", shown


def distinct(contents: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return each flattened key with the values that occur for it, in the order of their appearance."""
    found: dict[str, list[str]] = {}
    for content in contents:
        for key, value in flatten(content):
            values = found.setdefault(key, [])
            if value not in values:
                values.append(value)
    return found
