"""How the pixels of annotations are pixels of image files: photographs that are turned, sizes that differ."""

import operator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skipbench.bench.data.annotations import Array
from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.pictures.stored import Size

_UNKNOWN = (
    "{} photograph(s) are stored turned or mirrored, as their EXIF orientation says, and nothing tells whether "
    "they were annotated so: they are read upright, annotations as they are; data.upright=false reads them as "
    "stored"
)
_OTHER_SIZE = (
    "{} image(s) have another size than their annotations state, which are taken as pixels of the files; "
    "data.rescale=true scales them"
)
_SCALED = (
    "{} image(s) have another size than their annotations state, which are scaled to it; data.rescale=false takes "
    "them as pixels of the files"
)


@dataclass(frozen=True)
class Fit:
    """How an image is to be read, and its annotations with it."""

    size: Size  # (width, height)
    upright: bool  # whether the file is turned as its EXIF orientation says
    scale: Array  # (2,) pixels of the image per pixel of the annotations, along x and y


@dataclass(frozen=True)
class Fitting:
    """Fits annotations to images; what it has to guess is counted."""

    counted: Counted
    opener: Opener
    upright: bool | None = None  # what the user says; None: what fits
    rescale: bool | None = None

    def fit(self, path: Path, stated: Size | None = None, reach: Array | None = None) -> Fit:
        """Return how the image `path` is read whose annotations say its size is `stated`.

        `reach` (2,) is how far the annotations extend along x and y: where that is beyond the file but not beyond
        the stated size, the image was resized after it was annotated. Raises FileError.
        """
        found = self.opener.header(path)
        turned, stored = found.shown(True), found.shown(False)
        upright = self.upright
        if upright is None:
            same = operator.eq if stated in (turned, stored) else _of_one_aspect
            as_turned, as_stored = (stated is not None and same(stated, size) for size in (turned, stored))
            upright = as_turned or not as_stored
            if found.orientation > 1 and as_turned == as_stored:
                self.counted.add(_UNKNOWN, path.name)
        size = found.shown(upright)
        if stated is None or stated == size:
            return Fit(size, upright, np.ones(2))
        rescale = self.rescale
        if rescale is None:
            rescale = reach is not None and bool(
                (reach > np.add(size, 1)).any() and (reach <= np.add(stated, 1)).all()
            )
        self.counted.add(_SCALED if rescale else _OTHER_SIZE, path.name)
        return Fit(size, upright, np.divide(size, stated) if rescale else np.ones(2))


def _of_one_aspect(size: Size, other: Size) -> bool:
    """Return whether an image of one size may have been scaled to the other, up to a rounded pixel."""
    return abs(size[0] * other[1] - size[1] * other[0]) <= (sum(size) + sum(other)) / 2


def reach_of(corners: Array) -> Array | None:
    """Return how far boxes (n, 4) extend along x and y, (2,); None where there is none."""
    return np.nanmax(corners[:, 2:], 0) if len(corners) else None
