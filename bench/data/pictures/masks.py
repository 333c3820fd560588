"""What each pixel of a mask says, however the file holds it: a number, an index of a palette, or a colour."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.stored import Array, Stored

MAX_MASK_VALUE = 65535
_FEWEST = 4  # numbers or colours that a smoothed mask holds
_BETWEEN = 0.9  # of the pixels along borders
_NEARLY = 3  # by which numbers differ that are meant to be one
_NOISY = 0.1  # of all pixels, that stick out a little
_LEVEL = 30  # a smaller number is the place of a class in a list, where neighbours are other classes
MAX_COLOURS = 64  # of a dataset whose colours nobody names
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class MaskPixels:
    """The pixels of a mask."""

    values: Array | None  # (H, W) int64, one number per pixel; None where there are only colours
    palette: Array | None = None  # (n, 3) uint8, the colours of the values
    see_through: bool = False  # whether its alpha says so somewhere, which is not read
    colours: Array | None = None  # (H, W) int64, as `code` has them, where there are no numbers

    @property
    def coded(self) -> Array:
        """The colour of each pixel (H, W) int64, as `code` has it; grey where there is no colour."""
        if self.colours is not None:
            return self.colours
        assert self.values is not None
        if self.palette is None:
            return self.values * code((1, 1, 1))
        coded: Array = codes(self.palette)[self.values.clip(0, len(self.palette) - 1)]
        return coded

    def colours_of(self, values: Iterable[int]) -> tuple[tuple[int, int], ...]:
        """Return the numbers with the colours that the palette gives them, as `code` has these."""
        assert self.palette is not None
        coded = codes(self.palette).tolist()
        return tuple((value, coded[value]) for value in values if value < len(coded))


def code(colour: Colour) -> int:
    """Return a colour as one number."""
    red, green, blue = colour
    return (red << 16) | (green << 8) | blue


def colour_of(coded: int) -> Colour:
    """Return the colour that a number codes."""
    return coded >> 16, coded >> 8 & 255, coded & 255


def codes(colours: Array) -> Array:
    """Return colours (..., 3) as numbers (...)."""
    coded: Array = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return coded


def mask_pixels(stored: Stored, path: Path) -> MaskPixels:
    """Return what each pixel says. Raises FileError where that is no number and no colour."""
    if stored.palette is not None:
        return MaskPixels(stored.values[..., 0].astype(np.int64), stored.palette)
    values = stored.values[..., :-1] if stored.alpha else stored.values
    see_through = stored.alpha and bool(stored.values[..., -1].min() < stored.values[..., -1].max())
    if see_through and (values == values[0, 0]).all():
        values, see_through = stored.values[..., -1:], False  # drawn by what is opaque
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise FileError(path, "is a mask with fractions; expected a whole number per pixel, the class")
    if values.shape[2] not in (1, 3):
        raise FileError(
            path,
            f"is a mask of {values.shape[2]} channels; expected one number or colour per pixel: where each channel "
            "is a class, save its number (np.argmax)",
        )
    whole = values.astype(np.int64) // stored.step
    if (whole == whole[..., :1]).all():
        if whole.max() > MAX_MASK_VALUE or whole.min() < 0:
            outside = whole.min() if whole.min() < 0 else whole.max()
            raise FileError(
                path, f"contains the value {outside}; expected 0 to {MAX_MASK_VALUE}, and 255 for what is ignored"
            )
        return MaskPixels(whole[..., 0], see_through=see_through)
    if whole.max() > 255:
        raise FileError(path, "is a mask of colours with more than 8 bits; save it as an 8-bit PNG")
    return MaskPixels(None, colours=codes(whole), see_through=see_through)


def smoothing(pixels: MaskPixels) -> str:
    """Return in words how one sees that a mask was smoothed or compressed; "" where it was not."""
    if is_smoothed(pixels):
        return "most of them only along borders"
    return "many of them a little more or less than the pixels around" if _is_noisy(pixels) else ""


def _is_noisy(pixels: MaskPixels) -> bool:
    """Return whether many pixels stick out a little from both their neighbours in the row."""
    if pixels.values is None:
        channels = np.stack([pixels.coded >> 16, pixels.coded >> 8 & 255, pixels.coded & 255])
        levels = np.ones(channels[0, :, 1:-1].shape, bool)
    else:
        channels = pixels.values[None]
        levels = channels[0, :, 1:-1] >= _LEVEL
    steps = np.diff(channels, axis=2)
    small = abs(steps) <= _NEARLY
    turns: Array = (steps[..., 1:] * steps[..., :-1] < 0) & small[..., 1:] & small[..., :-1]
    noise: Array = np.any(turns, 0)[levels]
    return bool(noise.size and noise.mean() > _NOISY)


def is_smoothed(pixels: MaskPixels) -> bool:
    """Return whether pixels are those of a mask whose borders were smoothed, or that was compressed.

    Then most of what occurs forms no area: none of its pixels lies among others like it, and numbers lie between
    those around them. A few such numbers may be thin lines.
    """
    values = pixels.coded if pixels.values is None else pixels.values
    occurring = np.unique(values)
    if len(occurring) < _FEWEST:
        return False
    inner = values[1:-1, 1:-1]
    around = (values[:-2, 1:-1], values[2:, 1:-1], values[1:-1, :-2], values[1:-1, 2:])
    solid = np.unique(inner[np.logical_and.reduce([inner == other for other in around])])
    of_area = np.isin(values, solid)
    thin = len(occurring) - len(solid)
    if of_area.mean() <= 1 / 2:
        return False
    if pixels.values is None:
        return thin > max(3, len(solid))
    between = (ndimage.minimum_filter(values, 3) < values) & (values < ndimage.maximum_filter(values, 3))
    return thin >= max(2, len(solid)) and bool(between[~of_area].mean() > _BETWEEN)
