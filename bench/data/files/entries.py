"""What a format's reader returns, the images of a dataset with what is annotated on each, and their splits."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from skipbench.bench.data.annotations import Annotation
from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.errors import DataError

T = TypeVar("T")
HELD_OUT = 5  # a missing split takes one in this many of the training images


@dataclass(frozen=True)
class Entry:
    """One image of a split and what is annotated on it, in pixels of the image file."""

    split: str
    name: str
    image: Path
    source: Path  # the file that findings about the annotations name
    truth: Mapping[type[Annotation], Any]  # of each kind of annotation that the dataset has, as that kind says
    stated_size: tuple[int, int] | None = None  # (width, height) by the annotations, where they say one
    upright: bool | None = None  # whether its file is turned as its EXIF orientation says; None: to be found out
    frame: int | None = None  # which of several images in its files

    @property
    def files(self) -> list[Path]:
        """The image and the files that hold one annotation of it each."""
        return [self.image, *(truth for truth in self.truth.values() if isinstance(truth, Path))]


Splits = dict[str, list[Entry]]
by_name = attrgetter("name")


class Counted:
    """What was mended, left out or guessed while reading, by kind, with the first of each kind."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, which: str) -> None:
        """Count one; `kind` is a sentence with {} for how many there are, `which` names this one."""
        self._kinds.setdefault(kind, []).append(which)

    def has(self, kind: str) -> bool:
        """Return whether one of that kind was counted."""
        return kind in self._kinds

    def notes(self) -> list[str]:
        """Return a sentence on each kind, with the first two that were counted."""
        return [
            f"{kind.format(f'{len(which):,}')} ({', '.join(sorted(which)[:2])}{', ...' * (len(which) > 2)})."
            for kind, which in self._kinds.items()
        ]


@dataclass
class Found:
    """What a format's reader finds in a folder."""

    entries: list[Entry] = field(default_factory=list)  # of each split in the order of names
    problems: list[Problem] = field(default_factory=list)  # without a mend of which nothing can be used
    left_out: list[Problem] = field(default_factory=list)  # why single images are not used; the others are
    notes: list[str] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    files: list[Path] = field(default_factory=list)  # annotation files, which determine the samples too
    annotations: list[Annotation] = field(default_factory=list)  # what every entry has
    size_limits: tuple[float, float] | None = None

    def read(self, reader: Callable[[Path], T], path: Path, root: Path, of_one_image: bool = False) -> T | None:
        """Return what `reader` makes of an annotation file; None where it cannot be used, which is a problem."""
        try:
            content = reader(path)
        except FileError as error:
            (self.left_out if of_one_image else self.problems).append(error.problem(root))
            return None
        self.files.append(path)
        return content


def divide(
    entries: Sequence[Entry],
    wanted: str = "",
    groups: Callable[[Sequence[Entry]], Sequence[list[Entry]]] | None = None,
) -> tuple[Splits, list[str]]:
    """Return the entries of each split, and a note on each that had to be held out from training.

    A hash of the name chooses what is held out, so it is the same on every machine; whole `groups`, in the order
    in which they are given, where there are some. `wanted` is what would provide a split, such as
    "images/{split} and masks/{split}"; "" where the format knows no splits.
    Raises DataError where too few training images are left to hold some out.
    """
    splits = {split: [entry for entry in entries if entry.split == split] for split in SPLITS}
    missing = [split for split in SPLITS if not splits[split]]
    share = len(splits["train"]) // HELD_OUT
    if missing and not share:
        provide = f"{wanted.format(split=missing[0])}, or " if wanted else ""
        raise DataError(
            f"there is no split '{missing[0]}', and {len(splits['train'])} training image(s) are too few to hold "
            f"any out; expected {provide}at least {HELD_OUT} training images."
        )
    hashed = sorted(splits["train"], key=lambda entry: hashlib.sha256(entry.name.encode()).digest())
    left = groups(splits["train"]) if groups else [[entry] for entry in hashed]
    if missing and len(left) <= len(missing):
        raise DataError(
            f"there is no split '{missing[0]}', and the {len(left)} group(s) of training images are too few to "
            "hold any out: each stays together (data.group)."
        )
    notes = []
    for split in missing:
        taken: list[Entry] = []
        while len(taken) < share and len(left) > 1:
            taken, left = [*taken, *left[0]], left[1:]
        splits[split] = sorted(taken, key=by_name)
        notes.append(_note(split, len(taken), wanted, bool(groups)))
    splits["train"] = sorted((entry for group in left for entry in group), key=by_name)
    return splits, notes


def _note(split: str, share: int, wanted: str, grouped: bool) -> str:
    by = (
        "in whole groups (data.group), chosen by a hash of their names"
        if grouped
        else "chosen by a hash of the name"
    )
    chosen = f"{share} training image(s), {by}, are held out for it."
    held_out = f"There is no split '{split}': {chosen}"
    if not wanted or grouped:
        return held_out
    return (
        f"{held_out} Where images resemble their neighbours (video), provide {wanted.format(split=split)} instead."
    )
