"""What a format's reader returns: the images of a dataset, what is annotated on each, and what is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from skipbench.bench.data.annotations import Annotation
from skipbench.bench.data.pixels import FileError, Problem

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One image of a split and what is annotated on it, in pixels of the image file."""

    split: str
    name: str
    image: Path
    source: Path  # the file that findings about the annotations name
    truth: Mapping[type[Annotation], Any]  # of each kind of annotation that the dataset has, as that kind says
    stated_size: tuple[int, int] | None = None  # (width, height) by the annotations

    @property
    def files(self) -> list[Path]:
        """The image and the files that hold one annotation of it each."""
        return [self.image, *(truth for truth in self.truth.values() if isinstance(truth, Path))]


@dataclass
class Found:
    """What a format's reader finds in a folder."""

    entries: list[Entry] = field(default_factory=list)  # of each split in the order of names
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)  # annotation files, which determine the samples too
    annotations: list[Annotation] = field(default_factory=list)  # what every entry has
    size_limits: tuple[float, float] | None = None

    def read(self, reader: Callable[[Path], T], path: Path, root: Path) -> T | None:
        """Return what `reader` makes of an annotation file; None where it cannot be used, which is a problem."""
        try:
            content = reader(path)
        except FileError as error:
            self.problems.append(error.problem(root))
            return None
        self.files.append(path)
        return content
