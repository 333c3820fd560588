"""An image as its file holds it, and how it is turned."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Size = tuple[int, int]
SIDEWAYS = 5  # the first of the orientations that exchange width and height


class Header(NamedTuple):
    """What can be known of an image without decoding it."""

    size: Size  # (width, height) as stored
    orientation: int = 1  # by EXIF: 1 upright, 2 to 4 turned or mirrored at one size, 5 to 8 with sides exchanged
    frames: int = 1  # how many images the file holds
    lossy: bool = False

    def shown(self, upright: bool) -> Size:
        """Return the size (width, height) as stored or, if `upright`, turned as the orientation says."""
        return self.size[::-1] if upright and self.orientation >= SIDEWAYS else self.size


class Stored(NamedTuple):
    """The values of an image."""

    values: Array  # (H, W, C), bool, integer or float
    alpha: bool = False  # whether the last channel says how opaque a pixel is
    palette: Array | None = None  # (n, 3) uint8, the colours that the values of the first channel are indices of
    step: int = 1  # how much the values grow where the file's own numbers grow by 1

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def colours(self) -> Array:
        """The values (H, W, C) without alpha, the colours of a palette in its place."""
        values = self.values[..., :-1] if self.alpha else self.values
        return values if self.palette is None else self.palette[values[..., 0].clip(0, len(self.palette) - 1)]

    def turned(self, orientation: int) -> "Stored":
        """Return the image as it is to be shown that is stored in an EXIF orientation."""
        return self._replace(values=turn(self.values, orientation))


def turn(values: Array, orientation: int) -> Array:
    """Return values (H, W, ...) that are stored in an EXIF orientation, 1 to 8, as they are to be shown."""
    if orientation >= SIDEWAYS:
        values = values.swapaxes(0, 1)
    upside_down, mirrored = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(values[:: -1 if upside_down else 1, :: -1 if mirrored else 1])


def turned_back(values: Array, orientation: int) -> Array:
    """Return shown values (H, W, ...) as they are stored in an EXIF orientation."""
    inverse = {6: 8, 8: 6}
    return turn(values, inverse.get(orientation, orientation))
