"""What a format's reader returns: the images of a dataset, what is annotated on each, and what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bench.data.files.labels import Labels
from bench.data.files.pixels import FileError
from bench.data.files.problem import Problem

T = TypeVar("T")
Array = npt.NDArray[Any]
Mask = dict[str, Any]  # run lengths as COCO's mask API has them: {"size": [H, W], "counts": bytes}


@dataclass(frozen=True)
class Boxes:
    """The objects on an image; pixel i covers i to i + 1."""

    corners: Array  # (n, 4) float x1, y1, x2, y2
    labels: Array  # (n,) int, indices into the dataset's objects
    ignored: Array  # (n,) bool
    masks: tuple[Mask, ...] | None = None  # of each object, where they are read

    def clipped(self, width: int, height: int) -> "Boxes":
        """Return the boxes cut at the borders of the image."""
        return replace(self, corners=np.clip(self.corners, 0, [width, height, width, height]))

    def kept(self, keep: Array) -> "Boxes":
        """Return the boxes where `keep` (n,) is true."""
        masks = None if self.masks is None else tuple(np.array(self.masks, object)[keep])
        return Boxes(self.corners[keep], self.labels[keep], self.ignored[keep], masks)


@dataclass(frozen=True)
class Figures:
    """The joints of the figures on an image; pixel i covers i to i + 1."""

    joints: Array  # (F, J, 2) float x, y; NaN: not annotated
    visibility: Array  # (F, J) int: 0 not annotated or outside the image, 1 hidden, 2 visible


@dataclass(frozen=True)
class Entry:
    """One image of a split and what is annotated on it, in pixels of the image file."""

    split: str
    name: str
    image: Path
    source: Path  # the file that findings about the annotations name
    stated_size: tuple[int, int] | None = None  # (width, height) by the annotations
    mask: Path | None = None
    boxes: Boxes | None = None
    figures: Figures | None = None


@dataclass
class Found:
    """What a format's reader finds in a folder. All entries have the same kinds of annotation."""

    entries: list[Entry] = field(default_factory=list)  # of each split in the order of names
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)  # annotation files, which determine the samples too
    labels: Labels | None = None  # of the masks; None: what the mask files hold
    ignore_index: int | None = None  # without labels, the value in mask files that counts nowhere
    objects: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()
    reference: tuple[int, int] | None = None
    size_limits: tuple[float, float] | None = None
    has_masks: bool = False

    def read(self, reader: Callable[[Path], T], path: Path, root: Path) -> T | None:
        """Return what `reader` makes of an annotation file; None where it cannot be used, which is a problem."""
        try:
            content = reader(path)
        except FileError as error:
            self.problems.append(error.problem(root))
            return None
        self.files.append(path)
        return content
