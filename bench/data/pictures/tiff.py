"""TIFFs that Pillow cannot read as they are: of many bands, of several pages, of 16 bits for each colour."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.stored import Array, Header, Size, Stored

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file, an error says
_BANDS = "SC"  # axes of samples and of channels
_NO_CODEC = "requires the 'imagecodecs' package"
_JPEG = {6, 7, 34892}


class CodecError(FileError):
    """A file is compressed in a way for which a package is missing."""


@dataclass(frozen=True)
class Layout:
    """How a file's values lie: which of their axes are bands, and how many images they are."""

    axes: str
    shape: tuple[int, ...]
    channels: int | None  # what the user says that an image has

    @property
    def bands_last(self) -> bool:
        """Whether an array (H, W, C) was written as if it were C images."""
        return len(self.shape) == 3 and not {*_BANDS} & {*self.axes} and self.shape[-1] == self.channels

    @property
    def of_bands(self) -> list[int]:
        """The axes of bands, in order."""
        named = [number for number, axis in enumerate(self.axes) if axis in _BANDS]
        pages = [number for number, axis in enumerate(self.axes) if axis not in "YX"]
        if not named and self.channels and len(pages) == 1 and self.shape[pages[0]] == self.channels:
            return pages
        return named

    @property
    def frames(self) -> int:
        """How many images the file holds."""
        if self.bands_last and self.shape[0] != self.channels:
            return 1
        pages = (n for k, (axis, n) in enumerate(zip(self.axes, self.shape, strict=True)) if axis not in "YX")
        return int(np.prod(list(pages))) // int(np.prod([self.shape[axis] for axis in self.of_bands]))

    @property
    def size(self) -> Size:
        """(width, height) of an image."""
        if self.bands_last and self.shape[0] != self.channels:
            return self.shape[1], self.shape[0]
        return self.shape[self.axes.index("X")], self.shape[self.axes.index("Y")]

    def frame(self, values: Array, number: int) -> Array:
        """Return an image (H, W, C) of all values."""
        if self.bands_last and self.shape[0] != self.channels:
            return values
        rest = [k for k, axis in enumerate(self.axes) if axis not in "YX" and k not in self.of_bands]
        order = [*rest, self.axes.index("Y"), self.axes.index("X"), *self.of_bands]
        height, width = self.size[1], self.size[0]
        frame: Array = values.transpose(order).reshape(self.frames, height, width, -1)[number]
        return frame


@contextmanager
def opened_tiff(path: Path, channels: int | None) -> Iterator[tuple[tifffile.TiffFile, Layout]]:
    """Open a file whose images are of one size. Raises FileError."""
    with tifffile.TiffFile(path) as file:
        if len(file.series) != 1:
            sizes = ", ".join("x".join(map(str, series.shape)) for series in file.series[:3])
            raise FileError(path, f"holds images of different sizes ({sizes}); expected one image")
        series = file.series[0]
        yield file, Layout(series.axes, series.shape, channels)


def tiff_header(path: Path, channels: int | None) -> Header:
    """Return what can be known of the file. Raises FileError."""
    with opened_tiff(path, channels) as (file, layout):
        page = file.pages.first
        tag = page.tags.get("Orientation")
        lossy = page.compression in _JPEG
        return Header(layout.size, int(tag.value) if tag else 1, layout.frames, lossy)


def stored_by_tifffile(path: Path, frame: int, channels: int | None) -> Stored:
    """Return the values of a frame as they are stored. Raises FileError."""
    with opened_tiff(path, channels) as (file, layout):
        page = file.pages.first
        alone = len(file.pages) == layout.frames > 1 and not layout.of_bands
        try:
            values = file.pages[frame].asarray()[..., None] if alone else layout.frame(file.asarray(), frame)
        except ValueError as error:
            if _NO_CODEC not in str(error):
                raise
            name = getattr(page.compression, "name", page.compression)
            needs = "which needs imagecodecs: pip install 'skipbench[tiff]'"
            raise CodecError(path, f"is compressed by {name}, {needs}") from None
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and values.dtype.kind == "u":
            values = np.iinfo(values.dtype).max - values
        palette = None
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
            palette = (page.colormap.T >> 8).astype(np.uint8)
        alpha = 1 in page.extrasamples or 2 in page.extrasamples
        return Stored(values, bool(alpha) and values.shape[2] in (2, 4), palette)
