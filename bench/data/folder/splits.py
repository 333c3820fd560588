"""Which pairs train, choose and test, where a folder does not say it all."""

import hashlib

from bench.data.base import SPLITS
from bench.data.folder.layout import Pair
from bench.errors import DataError

HELD_OUT = 5  # a missing split takes one in this many of the training pairs

Splits = dict[str, list[Pair]]


def divide(pairs: list[Pair]) -> tuple[Splits, list[str]]:
    """Return the pairs of each split, and a note on each that had to be held out from training.

    A hash of the name chooses what is held out, so it is the same on every machine.
    Raises DataError where too few training pairs are left for that.
    """
    splits = {split: [pair for pair in pairs if pair.split == split] for split in SPLITS}
    missing = [split for split in SPLITS if not splits[split]]
    share = len(splits["train"]) // HELD_OUT
    if missing and not share:
        raise DataError(
            f"there is no split '{missing[0]}', and {len(splits['train'])} training image(s) are too few to hold "
            f"any out; expected images/{missing[0]} and masks/{missing[0]}, or {HELD_OUT} training images."
        )
    shuffled = sorted(splits["train"], key=_hash)
    for split in missing:
        splits[split], shuffled = sorted(shuffled[:share], key=_name), shuffled[share:]
    splits["train"] = sorted(shuffled, key=_name)
    return splits, [_note(split, share) for split in missing]


def _hash(pair: Pair) -> bytes:
    return hashlib.sha256(pair.name.encode()).digest()


def _name(pair: Pair) -> str:
    return pair.name


def _note(split: str, share: int) -> str:
    return (
        f"There is no split '{split}': {share} training image(s), chosen by a hash of the name, are held out for "
        f"it. Where images resemble their neighbours (video), provide images/{split} and masks/{split} instead."
    )
