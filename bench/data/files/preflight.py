"""The check before anything starts: every file is decoded once and every finding listed. Then they are read."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from skipbench.bench.data.annotations import Annotation, Picture, Sample, Seen
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.fitting import Fitting
from skipbench.bench.data.pixels import FileError, Problem, Stamp, as_tensor, decode, header, stamp

Watch = Callable[[Iterable["Facts"], int], Iterable["Facts"]]  # shows how far an iteration of known length is


@dataclass(frozen=True)
class Facts:
    """What one entry's files show, its annotations mended; or why it cannot be used."""

    entry: Entry
    digests: tuple[str, ...] = ()  # of the bytes of its files
    stamps: tuple[Stamp, ...] = ()  # of the same files, from before they were read
    seen: Mapping[type[Annotation], Seen] = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True)
class Examined:
    """The entries that can be used, and all that is wrong with the others."""

    facts: list[Facts]
    annotations: list[Annotation]  # with all that only the files tell
    problems: list[Problem]  # of the dataset as a whole
    left_out: list[Problem]  # of single images
    notes: list[str]  # on the annotations


def unwatched(facts: Iterable[Facts], count: int) -> Iterator[Facts]:
    """Yield `facts`, showing nothing."""
    del count
    yield from facts


def examine(found: Found, root: Path, upright: bool | None, watch: Watch) -> Examined:
    """Return what the files of all entries show, `watch`ed."""
    inspect = partial(_inspect, root, found.annotations, Fitting(found.counted, upright))
    with ThreadPoolExecutor() as pool:
        every = list(watch(pool.map(inspect, found.entries), len(found.entries)))
    left_out = found.left_out + [facts.problem for facts in every if facts.problem]
    usable = [facts for facts in every if not facts.problem]
    annotations = [annotation.settled(seen_of(annotation, usable)) for annotation in found.annotations]
    problems = list(found.problems)
    if not (problems or annotations):
        problems = [Problem("", "contains no annotations")]
    if usable and not problems:
        problems = [
            problem for annotation in annotations for problem in annotation.lacking(seen_of(annotation, usable))
        ]
    notes = [note for annotation in annotations for note in annotation.notes(seen_of(annotation, usable))]
    return Examined(usable, annotations, problems, left_out, notes)


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
            masks = [truth for truth in entry.truth.values() if isinstance(truth, Path)]
            stated = header(masks[0]).shown(True) if masks else None
            entry = replace(entry, upright=fitting.fit(entry.image, stated).upright)
        upright = bool(entry.upright)
        picture = Picture(*decode(entry.image, upright).size, upright)
        seen = {
            type(annotation): annotation.examined(entry.truth[type(annotation)], picture)
            for annotation in annotations
        }
        return Facts(entry, tuple(map(digest, entry.files)), stamps, seen)
    except FileError as error:
        return Facts(entry, problem=error.problem(root))


class Reader:
    """Makes the samples of entries that were examined."""

    def __init__(self, facts: Sequence[Facts], annotations: Sequence[Annotation], size: tuple[int, int]) -> None:
        self._facts, self._annotations, self._size = facts, annotations, size

    def __call__(self, index: int) -> Sample:
        """Return the sample of the entry at `index`. Raises FileError, also where a file is not the checked one."""
        facts = self._facts[index]
        upright = bool(facts.entry.upright)
        image = decode(facts.entry.image, upright)
        picture = Picture(*image.size, upright)
        sample = {"image": as_tensor(image, self._size)}
        for annotation in self._annotations:
            sample |= annotation.read(facts.seen[type(annotation)].truth, picture, self._size)
        for path, checked in zip(facts.entry.files, facts.stamps, strict=True):
            if stamp(path) != checked:  # only now, so that it holds for what has been read
                raise FileError(path, "has changed since the data were checked: start again")
        return sample
