"""Which mask value means which class, from a list of names or from the values that masks hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.base import IGNORED
from bench.data.files.pixels import LARGEST_VALUE, FileError

CLASSES_FILE = "classes.txt"
IGNORED_NAMES = {"ignore", "ignored", "unlabeled", "unlabelled", "void"}  # classes of these names count nowhere


@dataclass(frozen=True)
class Labels:
    """The classes and the mask value of each; samples hold the position of the value in `values`."""

    names: tuple[str, ...]
    values: tuple[int, ...]
    ignored: frozenset[int]  # mask values that count nowhere
    note: str = ""  # what was decided for the user, and how to change it

    @property
    def ignore_index(self) -> int:
        """What ignored pixels hold in a sample."""
        return IGNORED if len(self.names) <= IGNORED else LARGEST_VALUE

    def unknown(self, values: Iterable[int]) -> list[int]:
        """Return those of `values` that mean nothing, in ascending order."""
        return sorted(set(values) - set(self.values) - self.ignored)

    def lookup(self) -> npt.NDArray[Any]:
        """Return what a sample holds for every mask value, (65536,), in the smallest integer type."""
        small = self.ignore_index == IGNORED
        table = np.full(LARGEST_VALUE + 1, self.ignore_index, np.uint8 if small else np.int32)
        table[list(self.values)] = np.arange(len(self.values))
        return table


def named_labels(names: Sequence[str], ignore_index: int | None) -> Labels:
    """Return the labels where `names[k]` is the class of mask value k."""
    void = {value: name for value, name in enumerate(names) if name.lower() in IGNORED_NAMES}
    ignored = frozenset(void) if ignore_index is None else frozenset({*void, ignore_index})
    kept = {value: name for value, name in enumerate(names) if value not in ignored}
    note = "".join(f"'{name}' (mask value {value}) counts nowhere. " for value, name in void.items()).strip()
    return Labels(tuple(kept.values()), tuple(kept), ignored, note)


def inferred_labels(values: Iterable[int], ignore_index: int | None) -> Labels:
    """Return the labels where every value that occurs is a class, "class <value>"."""
    values = set(values)
    ignored = frozenset() if ignore_index is None else frozenset({ignore_index})
    kept = sorted(values - ignored)
    note = _inferred_note(kept, ignore_index if ignored & values else None)
    return Labels(tuple(f"class {value}" for value in kept), tuple(kept), ignored, note)


def _inferred_note(values: list[int], ignored: int | None) -> str:
    if not values:
        return ""
    unlabelled = (
        "if one of them means unlabelled, set data.ignore_index to it"
        if ignored is None
        else f"value {ignored} counts nowhere"
    )
    return (
        f"The masks hold {len(values)} values, {values[0]} to {values[-1]}, and each is a class; {unlabelled}. "
        f"To name them, put {CLASSES_FILE} into the folder, one name a line, or set data.classes."
    )


def read_names(file: Path) -> tuple[str, ...]:
    """Return the names in `file`, one a line, the first for mask value 0. Raises FileError."""
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8").strip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(file, f"cannot be read as text ({error})") from None
    try:
        return checked_names(names)
    except ValueError as error:
        raise FileError(file, str(error).rstrip(".")) from None


def checked_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return `names`. Raises ValueError where there are fewer than two, or one is empty or stands twice."""
    if len(names) < 2:
        raise ValueError(f"names fewer than two classes ({len(names)}).")
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(f"class name '{name}' stands twice." if name else "a class has an empty name.")
    return names
