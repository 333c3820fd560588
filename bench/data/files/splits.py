"""Which entries train, choose and test, where a dataset does not say it all."""

import hashlib
from collections.abc import Sequence

from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.files.entry import Entry
from skipbench.bench.errors import DataError

HELD_OUT = 5  # a missing split takes one in this many of the training images

Splits = dict[str, list[Entry]]


def divide(entries: Sequence[Entry], wanted: str = "") -> tuple[Splits, list[str]]:
    """Return the entries of each split, and a note on each that had to be held out from training.

    A hash of the name chooses what is held out, so it is the same on every machine. `wanted` is what would
    provide a split, such as "images/{split} and masks/{split}"; "" where the format knows no splits.
    Raises DataError where too few training images are left to hold some out.
    """
    splits = {split: [entry for entry in entries if entry.split == split] for split in SPLITS}
    missing = [split for split in SPLITS if not splits[split]]
    share = len(splits["train"]) // HELD_OUT
    if missing and not share:
        provide = f"{wanted.format(split=missing[0])}, or " if wanted else ""
        raise DataError(
            f"there is no split '{missing[0]}', and {len(splits['train'])} training image(s) are too few to hold "
            f"any out; expected {provide}{HELD_OUT} training images."
        )
    shuffled = sorted(splits["train"], key=_hash)
    for split in missing:
        splits[split], shuffled = sorted(shuffled[:share], key=_name), shuffled[share:]
    splits["train"] = sorted(shuffled, key=_name)
    return splits, [_note(split, share, wanted) for split in missing]


def _hash(entry: Entry) -> bytes:
    return hashlib.sha256(entry.name.encode()).digest()


def _name(entry: Entry) -> str:
    return entry.name


def _note(split: str, share: int, wanted: str) -> str:
    chosen = f"{share} training image(s), chosen by a hash of the name, are held out for it."
    held_out = f"There is no split '{split}': {chosen}"
    if not wanted:
        return held_out
    return (
        f"{held_out} Where images resemble their neighbours (video), provide {wanted.format(split=split)} instead."
    )
