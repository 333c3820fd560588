"""From an image's own numbers to the 8 bits and the channels that all images of a dataset have, by stated rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.pictures.stored import Array, Stored

Range = Literal["auto", "type", "image"] | tuple[float, float]
_BITS = range(8, 33, 2)
_DARK = 1 / 4  # floats from 0 that stay below this do not fill 0 to 1
_FAR = 8  # times the range of all other values, by which a value is none of them: a fill value, a dead pixel
_FEWEST = 16  # other values that there must be
_WITH_ALPHA = ((4, 3), (2, 1))  # channels of a dataset, and of an image that comes to have them by its alpha
_LUMINANCE = np.array([299, 587, 114]) / 1000  # of red, green and blue, by ITU-R BT.601


class Extent(NamedTuple):
    """What the check finds out about an image's numbers."""

    kind: str  # of NumPy's types: "b" bool, "u" and "i" integers, "f" floats
    bits: int  # of its type
    low: float
    high: float
    channels: int  # without alpha
    see_through: bool  # whether its alpha says that it is, somewhere
    usual: tuple[float, float] | None = None  # lowest and highest without values far from all others

    @property
    def is_plain(self) -> bool:
        """Whether it has 8 bits already."""
        return self.kind in "b" or (self.kind == "u" and self.bits == 8)


def extent_of(stored: Stored) -> Extent:
    """Return how far an image's numbers reach, of one with 8 bits from 0 to 255. NaN and infinity don't count."""
    values, colours = stored.values, stored.colours
    see_through = stored.alpha and bool((values[..., -1] < values[..., -1].max()).any())
    kind, bits = colours.dtype.kind, 8 * colours.dtype.itemsize
    if kind == "b" or (kind == "u" and bits == 8):
        return Extent(kind, bits, 0, 255, colours.shape[2], see_through)
    finite = colours[np.isfinite(colours)] if kind == "f" else colours
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return Extent(kind, bits, low, high, colours.shape[2], see_through, _usual(finite, low, high))


def _usual(values: Array, low: float, high: float) -> tuple[float, float]:
    """Return the lowest and the highest value without one at each end that lies far from all others."""
    rest = values[(values > low) & (values < high)].astype(np.float64)
    if not rest.size:
        return low, high
    least, most = float(rest.min()), float(rest.max())
    far_below, far_above = (gap > _FAR * (most - least) for gap in (least - low, high - most))
    if not (far_below or far_above) or len(np.unique(rest)) < _FEWEST:
        return low, high
    return least if far_below else low, most if far_above else high


@dataclass(frozen=True)
class Scaling:
    """How the images of a dataset come to have 8 bits and as many channels."""

    channels: int = 3
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # kind of number -> what is 0 and 255
    each: bool = False  # whether each image's own range is scaled instead

    @property
    def facts(self) -> dict[str, Any]:
        """What a record keeps of it."""
        return {
            "channels": self.channels,
            "ranges": {key: list(ends) for key, ends in self.ranges.items()},
            "each": self.each,
        }

    @classmethod
    def recalled(cls, facts: Mapping[str, Any] | None) -> "Scaling":
        """Return the scaling of a record; the usual one where it keeps none."""
        if facts is None:
            return cls()
        return cls(
            facts["channels"], {key: (low, high) for key, (low, high) in facts["ranges"].items()}, facts["each"]
        )

    @property
    def opener(self) -> Opener:
        """What opens images that are to be scaled so."""
        return Opener(None if self.channels == Scaling.channels else self.channels)

    def takes(self, extent: Extent) -> bool:
        """Return whether an image has the channels, or can come to have them."""
        count = extent.channels
        return count in (1, self.channels) or (self.channels, count) in ((1, 3), *_WITH_ALPHA)

    def pixels(self, stored: Stored, path: Path) -> Tensor:
        """Return the image (C, H, W) uint8. Raises FileError where it has other channels."""
        values = np.moveaxis(self._with_channels(self._scaled(stored), stored, path), -1, 0)
        return torch.from_numpy(np.array(values, order="C"))

    def _scaled(self, stored: Stored) -> Array:
        """Return the colours (H, W, C) uint8."""
        colours = stored.colours
        if colours.dtype.kind == "b":
            return colours.astype(np.uint8) * 255
        extent = extent_of(stored) if self.each or colours.dtype != np.uint8 else None
        if self.each and extent and not extent.is_plain:
            low, high = extent.low, extent.high
        elif (key := _key(colours)) in self.ranges:
            low, high = self.ranges[key]
        elif colours.dtype == np.uint8:
            return colours
        else:
            low, high = _auto([extent_of(stored)])
        shares = (np.nan_to_num(colours.astype(np.float64), nan=low) - low) / ((high - low) or 1)
        scaled: Array = (shares.clip(0, 1) * 255).round().astype(np.uint8)
        return scaled

    def _with_channels(self, colours: Array, stored: Stored, path: Path) -> Array:
        count = colours.shape[2]
        if count == self.channels:
            return colours
        if (self.channels, count) in _WITH_ALPHA:
            opaque = np.full_like(colours[..., :1], 255)
            alpha = self._scaled(Stored(stored.values[..., -1:])) if stored.alpha else opaque
            return np.dstack([colours, alpha])
        if count == 1:
            return colours.repeat(self.channels, 2)
        if self.channels == 1 and count == 3:
            grey: Array = (colours @ _LUMINANCE).round().astype(np.uint8)[..., None]
            return grey
        raise FileError(path, f"has {count} channels, the dataset {self.channels}; set data.channels={count}")


def _key(colours: Array) -> str:
    return "8 bits" if colours.dtype == np.uint8 else "f" if colours.dtype.kind == "f" else "integers"


def settled(extents: Sequence[Extent], channels: int | None, wanted: Range) -> tuple[Scaling, list[str]]:
    """Return the scaling of a dataset whose images have these extents, and what had to be decided, in sentences."""
    notes = []
    counts = sorted({extent.channels for extent in extents})
    chosen = channels or (counts[0] if len(counts) == 1 and counts[0] not in (1, 3) else 3)
    if chosen != (channels or 3):
        notes.append(f"Images have {chosen} channels, and so have the networks' inputs; data.channels sets them.")
    see_through = sum(extent.see_through for extent in extents)
    if see_through and chosen != 4:
        notes.append(
            f"{see_through:,} image(s) are transparent in places, which is not read; data.channels=4 reads it."
        )
    deep = [extent for extent in extents if not extent.is_plain]
    if isinstance(wanted, tuple):
        return Scaling(chosen, dict.fromkeys(("8 bits", "integers", "f"), wanted)), notes
    if wanted == "image":
        return Scaling(chosen, each=True), notes
    ranges = {}
    for key, kinds, word in (("integers", "ui", "integers"), ("f", "f", "floats")):
        own = [extent for extent in deep if extent.kind in kinds]
        if own:
            ranges[key] = _of_type(own) if wanted == "type" else _auto(own)
            low, high = (min(extent.low for extent in own), max(extent.high for extent in own))
            notes.append(
                f"{len(own):,} image(s) hold {word} of {low:g} to {high:g}; {ranges[key][0]:g} to "
                f"{ranges[key][1]:g} is scaled to 0 to 255 (otherwise with data.range=type, image or [LOW, HIGH])."
            )
            far = sum(extent.usual != (extent.low, extent.high) for extent in own if extent.usual)
            if far and wanted == "auto":
                notes.append(
                    f"{far:,} of these have values far from all others, as fill values and dead pixels are; they "
                    "become black or white, and are not scaled by."
                )
    return Scaling(chosen, ranges), notes


def _auto(extents: Iterable[Extent]) -> tuple[float, float]:
    """Return what is scaled to 0 and 255: the bits that hold all numbers, or from the lowest to the highest."""
    every = list(extents)
    usual = [extent.usual or (extent.low, extent.high) for extent in every]
    low, high = min(low for low, _ in usual), max(high for _, high in usual)
    if low < 0:
        return low, high
    if every[0].kind == "f":
        return (0.0, 1.0) if _DARK <= high <= 1 else (0.0, 255.0) if 255 * _DARK <= high <= 255 else (low, high)
    return 0.0, float(2 ** next(bits for bits in _BITS if high < 2**bits or bits == 32) - 1)


def _of_type(extents: Iterable[Extent]) -> tuple[float, float]:
    every = list(extents)
    if every[0].kind == "f":
        return 0.0, 1.0
    signed = any(extent.low < 0 for extent in every)
    bits = max(extent.bits for extent in every)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
