"""The check before anything starts: every file is decoded once and every finding listed. Then they are read."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from skipbench.bench.data.annotations import Annotation, Picture, Sample, Seen
from skipbench.bench.data.files.entries import Counted, Entry, Found
from skipbench.bench.data.files.fitting import Fitting
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.pictures.scaling import Extent, Range, Scaling, extent_of, settled
from skipbench.bench.data.pixels import Stamp, resize, stamp
from skipbench.bench.data.windows import PADDING, around, inner, pad


@dataclass(frozen=True)
class Opening:
    """How images are opened, by what the user says."""

    upright: bool | None = None
    channels: int | None = None
    range: Range = "auto"
    huge: bool = False

    @property
    def opener(self) -> Opener:
        """What opens images and masks."""
        return Opener(self.channels, self.huge)

    @property
    def facts(self) -> dict[str, Any]:
        """What of it a new image needs to be opened so, where that isn't as usual."""
        given = {"upright": self.upright, "channels": self.channels, "huge": self.huge}
        usual = {"upright": (None, True), "channels": (None,), "huge": (False,)}
        return {name: value for name, value in given.items() if value not in usual[name]}

    def fitting(self, counted: Counted, rescale: bool | None = None) -> Fitting:
        """Return what fits annotations to images."""
        return Fitting(counted, self.opener, self.upright, rescale)


Watch = Callable[[Iterable["Facts"], int], Iterable["Facts"]]  # shows how far an iteration of known length is


@dataclass(frozen=True)
class Facts:
    """What one entry's files show, its annotations mended; or why it cannot be used."""

    entry: Entry
    digests: tuple[str, ...] = ()  # of the bytes of its files
    stamps: tuple[Stamp, ...] = ()  # of the same files, from before they were read
    seen: Mapping[type[Annotation], Seen] = field(default_factory=dict)
    extent: Extent | None = None  # of the image's numbers
    size: tuple[int, int] = (1, 1)  # (H, W) in px of the image
    problem: Problem | None = None


@dataclass(frozen=True)
class Examined:
    """The entries that can be used, and all that is wrong with the others."""

    facts: list[Facts]
    annotations: list[Annotation]  # with all that only the files tell
    problems: list[Problem]  # of the dataset as a whole
    left_out: list[Problem]  # of single images
    notes: list[str]  # on images and annotations
    scaling: Scaling  # of the images


def unwatched(facts: Iterable[Facts], count: int) -> Iterator[Facts]:
    """Yield `facts`, showing nothing."""
    del count
    yield from facts


def examine(found: Found, root: Path, options: Opening, watch: Watch) -> Examined:
    """Return what the files of all entries show, `watch`ed."""
    inspect = partial(_inspect, root, found.annotations, options.fitting(found.counted))
    with ThreadPoolExecutor() as pool:
        every = list(watch(pool.map(inspect, found.entries), len(found.entries)))
    usable = [facts for facts in every if not facts.problem]
    scaling, notes = settled([each.extent for each in usable if each.extent], options.channels, options.range)
    annotations = [annotation.settled(seen_of(annotation, usable)) for annotation in found.annotations]
    every = [facts if facts.problem else _judged(facts, annotations, scaling, root) for facts in every]
    usable = [facts for facts in every if not facts.problem]
    left_out = found.left_out + [facts.problem for facts in every if facts.problem]
    problems = list(found.problems)
    if not (problems or annotations or left_out):
        lost = [note for note in found.counted.notes() if "left out" in note]
        why = "".join(f": {note.rstrip('.')}" for note in lost[:1])
        problems = [Problem("", f"contains no annotations{' that can be used' * bool(why)}{why}")]
    if usable and not problems:
        lacking = [(kind, list(kind.lacking(seen_of(kind, usable)))) for kind in annotations]
        if any(kind.names and not own for kind, own in lacking):
            notes += [f"There are no {kind.plural}: {own[0]}." for kind, own in lacking if own]
            annotations = [kind for kind, own in lacking if not own]
        else:
            problems = [problem for _, own in lacking for problem in own]
    notes += [note for annotation in annotations for note in annotation.notes(seen_of(annotation, usable))]
    return Examined(usable, annotations, problems, left_out, notes, scaling)


def _judged(facts: Facts, annotations: Sequence[Annotation], scaling: Scaling, root: Path) -> Facts:
    """Return the facts with a problem where a file does not fit what all files show."""
    for annotation in annotations:
        seen = facts.seen[type(annotation)]
        if reason := annotation.fault(seen):
            return replace(facts, problem=FileError(seen.truth, reason).problem(root))
    if facts.extent and not scaling.takes(facts.extent):
        reason = f"has {facts.extent.channels} channels, the dataset {scaling.channels}"
        words = f"{reason}; set data.channels={facts.extent.channels}, or convert it"
        return replace(facts, problem=FileError(facts.entry.image, words).problem(root))
    return facts


def seen_of(annotation: Annotation, facts: Iterable[Facts]) -> list[Seen]:
    """Return what was seen of one annotation on each image."""
    return [image_facts.seen[type(annotation)] for image_facts in facts]


def digest(path: Path) -> str:
    """Return a hash of the file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _inspect(root: Path, annotations: Sequence[Annotation], fitting: Fitting, entry: Entry) -> Facts:
    try:
        stamps = tuple(map(stamp, entry.files))
        if entry.upright is None:
            stated = entry.stated_size or _size_of_mask(entry, fitting.opener)
            entry = replace(entry, upright=fitting.fit(entry.image, stated).upright)
        stored = fitting.opener.load(entry.image, bool(entry.upright), entry.frame)
        picture = Picture(*stored.size, bool(entry.upright), entry.frame, fitting.opener)
        seen = {
            type(annotation): annotation.examined(entry.truth[type(annotation)], picture)
            for annotation in annotations
        }
        size = picture.height, picture.width
        return Facts(entry, tuple(map(digest, entry.files)), stamps, seen, extent_of(stored), size)
    except FileError as error:
        return Facts(entry, problem=error.problem(root))


def _size_of_mask(entry: Entry, opener: Opener) -> tuple[int, int] | None:
    """Return the size of an entry's mask where it is that of the image, turned or not."""
    masks = [truth for truth in entry.truth.values() if isinstance(truth, Path)]
    image, sizes = opener.header(entry.image), [opener.header(mask).shown(True) for mask in masks]
    return next((size for size in sizes if size in (image.shown(True), image.shown(False))), None)


class Reader:
    """Makes the samples of entries that were examined."""

    def __init__(
        self,
        facts: Sequence[Facts],
        annotations: Sequence[Annotation],
        size: tuple[int, int],
        opener: Opener,
        scaling: Scaling,
    ) -> None:
        self._facts, self._annotations, self._size = facts, annotations, size
        self._opener, self._scaling = opener, scaling

    def __call__(self, index: int) -> Sample:
        """Return the sample of the entry at `index`, stretched to the size that all have.

        Raises FileError, also where a file is not the checked one.
        """
        return self._read(index, self._size)

    def whole(self, index: int) -> Sample:
        """Return the sample at the image's own size. Raises FileError."""
        return self._read(index, self._facts[index].size)

    def fitted(self, index: int) -> Sample:
        """Return the sample with the image's own aspect, padded to the size that all have. Raises FileError."""
        size = self._facts[index].size
        sample = self._read(index, inner(size, around(size, self._size), self._size))
        sample["image"] = pad(sample["image"], self._size, PADDING)
        for annotation in self._annotations:
            sample |= annotation.padded(sample, self._size)
        return sample

    def _read(self, index: int, size: tuple[int, int]) -> Sample:
        facts = self._facts[index]
        entry, upright = facts.entry, bool(facts.entry.upright)
        stored = self._opener.load(entry.image, upright, entry.frame)
        picture = Picture(*stored.size, upright, entry.frame, self._opener)
        sample = {"image": resize(self._scaling.pixels(stored, entry.image), size)}
        for annotation in self._annotations:
            sample |= annotation.read(facts.seen[type(annotation)].truth, picture, size)
        for path, checked in zip(entry.files, facts.stamps, strict=True):
            if stamp(path) != checked:  # only now, so that it holds for what has been read
                raise FileError(path, "has changed since the data were checked: start again")
        return sample
