"""Which images stay together, and how they are dealt into the folds of a cross-validation."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from skipbench.bench.data.base import SPLITS, CachedDataset, Data, DataInfo, Part
from skipbench.bench.data.files.entries import Entry, Splits, by_name
from skipbench.bench.errors import DataError

FOLDER = "folder"
Grouping = Callable[[Entry], str]  # entry -> the name of what stays together with it


def grouping(group: str, root: Path) -> Grouping:
    """Return what `data.group` says: the folder of an image, or what a pattern finds in its path under `root`.

    A pattern's first bracket is the name, or all of it without one. Raises DataError where it finds nothing.
    """

    def of(entry: Entry) -> str:
        path = entry.image.relative_to(root).as_posix() if entry.image.is_relative_to(root) else str(entry.image)
        if group == FOLDER:
            return path.rpartition("/")[0]
        found = re.search(group, path)
        if found is None:
            raise DataError(
                f"data.group, the pattern '{group}', finds nothing in {path}; give one that fits every image's "
                "path, or data.group=folder for what lies in one folder."
            )
        return found[1] if found.re.groups else found[0]

    return of


def singly(entries: Iterable[Entry]) -> Grouping:
    """Return what keeps every image by itself: its name, after its split where several splits have that name."""
    times = Counter(entry.name for entry in entries)
    return lambda entry: entry.name if times[entry.name] == 1 else f"{entry.split}/{entry.name}"


def groups_of(entries: Iterable[Entry], of: Grouping) -> list[list[Entry]]:
    """Return what stays together, in an order that a hash of the names draws."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[of(entry)].append(entry)
    return [groups[name] for name in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())]


def folded(entries: Sequence[Entry], folds: int, of: Grouping, grouped: bool) -> tuple[list[Splits], list[str]]:
    """Return the splits of each fold, and notes: it is the test, the next one validation, the others training.

    Groups are dealt by size, the largest first, each into what is the smallest fold then. Raises DataError where
    there are fewer groups than folds.
    """
    groups = groups_of(entries, of)
    if len(groups) < folds:
        what = "of groups (data.group)" if grouped else "of images"
        raise DataError(f"data.folds is {folds}, but the number {what} to make them of is {len(groups)}.")
    parts: list[list[Entry]] = [[] for _ in range(folds)]
    for group in sorted(groups, key=len, reverse=True):  # of one size, in the drawn order
        min(parts, key=len).extend(group)
    of_groups = f" of {len(groups):,} groups" if grouped else ""
    own = ", ".join(split for split in SPLITS if any(entry.split == split for entry in entries))
    note = (
        f"Cross-validation: {len(entries):,} images{of_groups} ({own} of the folder put together) are dealt into "
        f"{folds} folds by a hash of their names; seed s tests on fold s mod {folds}, validates on the next one "
        "and trains on the others (data.folds)."
    )
    return [_splits(parts, number) for number in range(folds)], [note]


def _splits(parts: Sequence[Sequence[Entry]], number: int) -> Splits:
    test, val, *others = [parts[(number + turn) % len(parts)] for turn in range(len(parts))]
    train = [entry for part in others for entry in part]
    return {"train": sorted(train, key=by_name), "val": sorted(val, key=by_name), "test": sorted(test, key=by_name)}


def cross_validation(
    whole: CachedDataset, info: DataInfo, entries: Sequence[Entry], folds: Sequence[Splits]
) -> Data:
    """Return the first fold, with all of them, as parts of a dataset whose samples are of `entries`."""
    places = {id(entry): number for number, entry in enumerate(entries)}
    every = []
    for number, splits in enumerate(folds):
        train, val, test = (Part(whole, [places[id(entry)] for entry in splits[split]]) for split in SPLITS)
        counts = {split: len(splits[split]) for split in SPLITS}
        every.append(Data(train, val, test, replace(info, counts=counts, fold=(number, len(folds)))))
    return replace(every[0], folds=tuple(every))


def divided_groups(splits: Splits, of: Grouping) -> list[str]:
    """Return a note where something that is to stay together is in several splits of the folder's own."""
    places: dict[str, set[str]] = defaultdict(set)
    for split, entries in splits.items():
        for entry in entries:
            places[of(entry)].add(split)
    torn = sorted(name for name, found in places.items() if len(found) > 1)
    if not torn:
        return []
    return [
        f"{len(torn):,} of {len(places):,} groups (data.group) stand in more than one split, as the folder has "
        f"them (the first is '{torn[0]}', in {' and '.join(sorted(places[torn[0]]))}): data.folds deals whole "
        "groups."
    ]
