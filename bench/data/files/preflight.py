"""The check before anything starts: every file is decoded once and every finding listed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.files.entry import Array, Boxes, Entry, Found
from bench.data.files.labels import Labels, inferred_labels
from bench.data.files.pixels import FileError, Stamp, decode, decode_mask, stamp
from bench.data.files.problem import Problem

_THINNEST_BOX = 1.0  # px; a box that is no wider or no higher than this is a slip of the hand

Watch = Callable[[Iterable["Facts"], int], Iterable["Facts"]]  # shows how far an iteration of known length is


@dataclass(frozen=True)
class Facts:
    """What one entry's files show, its boxes mended; or why it cannot be used."""

    entry: Entry
    digests: tuple[str, ...] = ()  # of the bytes of the image and of the mask
    stamps: tuple[Stamp, ...] = ()  # of the same files, from before they were read
    values: tuple[int, ...] = ()  # of the mask
    clipped: int = 0  # boxes that left the image
    dropped: int = 0  # boxes that were degenerate
    outside: int = 0  # joints that lie outside the image
    problem: Problem | None = None


@dataclass(frozen=True)
class Examined:
    """The entries that can be used, and all that is wrong with the others."""

    facts: list[Facts]
    labels: Labels  # of the masks
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)  # on boxes and joints


def unwatched(facts: Iterable[Facts], count: int) -> Iterator[Facts]:
    """Yield `facts`, showing nothing."""
    del count
    yield from facts


def examine(found: Found, root: Path, upright: bool, watch: Watch) -> Examined:
    """Return what the files of all entries show, `watch`ed; without labels every value of a mask is a class."""
    inspect = partial(_inspect, root, found.labels, upright)
    with ThreadPoolExecutor() as pool:
        every = list(watch(pool.map(inspect, found.entries), len(found.entries)))
    problems = found.problems + [facts.problem for facts in every if facts.problem]
    usable = [facts for facts in every if not facts.problem]
    values = {value for facts in usable for value in facts.values}
    labels = found.labels or inferred_labels(values, found.ignore_index)
    if not problems:
        problems = _lacking(found, usable, labels)
    return Examined(usable, labels, problems, _box_notes(usable) + _joint_notes(usable))


def digest(path: Path) -> str:
    """Return a hash of the file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _inspect(root: Path, labels: Labels | None, upright: bool, entry: Entry) -> Facts:
    files = [path for path in (entry.image, entry.mask) if path]
    try:
        stamps = tuple(map(stamp, files))
        size = decode(entry.image, upright).size
        if entry.stated_size not in (None, size):
            raise FileError(entry.source, _other_size(entry, size, upright))
        values = _mask_values(entry.mask, size, labels, upright) if entry.mask else ()
        digests = tuple(map(digest, files))
    except FileError as error:
        return Facts(entry, problem=error.problem(root))
    return _mended(Facts(entry, digests, stamps, values), *size)


def _other_size(entry: Entry, size: tuple[int, int], upright: bool) -> str:
    stated = "x".join(map(str, entry.stated_size or ()))
    sentence = f"states {stated} pixels for {entry.image.name}, the file holds {size[0]}x{size[1]}"
    if decode(entry.image, not upright).size == entry.stated_size != size:
        turned = "as stored" if upright else "turned as its EXIF orientation says"
        return f"{sentence}; the annotations fit the image {turned}, so set upright={str(not upright).lower()}"
    return sentence


def _mask_values(path: Path, size: tuple[int, int], labels: Labels | None, upright: bool) -> tuple[int, ...]:
    """Return the values that a mask holds, in ascending order. Raises FileError."""
    mask = decode_mask(path, upright)
    if mask.shape != size[::-1]:
        sizes = f"{mask.shape[1]}x{mask.shape[0]} pixels, its image {size[0]}x{size[1]}"
        raise FileError(path, f"has {sizes}; expected equal sizes")
    values = tuple(np.flatnonzero(np.bincount(mask.ravel())).tolist())
    if labels and labels.unknown(values):
        raise FileError(path, _out_of_range(labels, values))
    return values


def _out_of_range(labels: Labels, values: tuple[int, ...]) -> str:
    ignored = ", ".join(map(str, sorted(labels.ignored)))
    allowed = f"{min(labels.values)} to {max(labels.values)}" + (f", or {ignored} (ignored)" if ignored else "")
    return f"holds the value {labels.unknown(values)[0]}, which is no class; expected {allowed}"


def _mended(facts: Facts, width: int, height: int) -> Facts:
    """Return the facts with boxes clipped to the image or dropped, and joints outside it marked as not seen."""
    boxes, figures = facts.entry.boxes, facts.entry.figures
    if boxes is not None:
        clipped, keep = _clip(boxes, width, height)
        left = (clipped.corners != boxes.corners).any(1) & keep
        facts = replace(facts, clipped=int(left.sum()), dropped=int((~keep).sum()))
        boxes = clipped.kept(keep)
    if figures is not None:
        with np.errstate(invalid="ignore"):
            inside = ((figures.joints >= 0) & (figures.joints < [width, height])).all(-1)
        facts = replace(facts, outside=int(((figures.visibility > 0) & ~inside).sum()))
        figures = replace(figures, visibility=figures.visibility * inside)
    return replace(facts, entry=replace(facts.entry, boxes=boxes, figures=figures))


def _clip(boxes: Boxes, width: int, height: int) -> tuple[Boxes, Array]:
    """Return the boxes cut at the image's borders, and which of them are worth keeping."""
    clipped = boxes.clipped(width, height)
    sides = clipped.corners[:, 2:] - clipped.corners[:, :2]
    return clipped, np.all(sides > _THINNEST_BOX, 1)


def _lacking(found: Found, facts: list[Facts], labels: Labels) -> list[Problem]:
    """Return a problem for each kind of annotation of which there is none at all."""
    problems = []
    if not (found.has_masks or found.objects or found.joints):
        problems.append(Problem("", "holds no annotation"))
    if found.has_masks and len(labels.names) < 2:
        problems.append(_too_few(labels))
    if found.objects and not sum(len(each.entry.boxes.labels) for each in facts if each.entry.boxes):
        problems.append(Problem("", "holds no box that can be used"))
    if found.joints and not sum(each.entry.figures.visibility.sum() for each in facts if each.entry.figures):
        problems.append(Problem("", "holds no annotated joint"))
    return problems


def _too_few(labels: Labels) -> Problem:
    found = f"hold one class ({labels.names[0]})" if labels.names else "hold no class"
    ignored = ", ".join(map(str, sorted(labels.ignored)))
    hint = f" beside the ignored {ignored}; if that is a class, set ignore_index=null" if ignored else ""
    return Problem("masks", f"{found}{hint}; expected two classes at least")


def _box_notes(facts: list[Facts]) -> list[str]:
    clipped, dropped = (sum(getattr(each, name) for each in facts) for name in ("clipped", "dropped"))
    total = dropped + sum(len(each.entry.boxes.labels) for each in facts if each.entry.boxes)
    left = f"{clipped:,} of {total:,} boxes left their image and were clipped." if clipped else ""
    degenerate = (
        f"{dropped:,} of {total:,} boxes were dropped: inside the image they are no more than "
        f"{_THINNEST_BOX:g} px wide or high."
        if dropped
        else ""
    )
    return [left, degenerate]


def _joint_notes(facts: list[Facts]) -> list[str]:
    outside = sum(each.outside for each in facts)
    return [f"{outside:,} annotated joint(s) lie outside their image and count as not seen."] if outside else []
