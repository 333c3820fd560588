"""A new image as a network sees it: the whole of it, or tile by tile."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from skipbench.bench.data.pixels import resize, visible
from skipbench.bench.predictions import Array

Size = tuple[int, int]  # (height, width)


class Window(NamedTuple):
    """A part of an image, in its px."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class View:
    """An image and its windows, of one size, row by row; each is resized to the size that the network is given."""

    pixels: Tensor  # (C, H, W) uint8
    windows: Sequence[Window]
    people: Tensor | None = None  # (P, 4) x1, y1, x2, y2 in px, where it is known where people are

    @property
    def size(self) -> Size:
        """(H, W) in px."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def images(self) -> Array:
        """The image as predictions keep it, (1, H, W, 3)."""
        return visible(self.pixels).permute(1, 2, 0)[None].numpy()

    def crops(self, size: Size) -> Iterator[Tensor]:
        """Yield what each window shows at `size`, (C, h, w) uint8."""
        for top, left, height, width in self.windows:
            yield resize(self.pixels[:, top : top + height, left : left + width], size)


def whole(size: Size) -> list[Window]:
    """Return the one window that is all of an image of that size."""
    return [Window(0, 0, *size)]


def tiles(size: Size, tile: Size, overlap: float) -> list[Window]:
    """Return windows of size `tile` that cover an image of `size` evenly.

    Neighbours share `overlap` of a side, from 0 on and below 1, or more. Where the image is smaller than a tile,
    they end with it.
    """
    height, width = (min(have, wanted) for have, wanted in zip(size, tile, strict=True))
    tops, lefts = _starts(size[0], height, overlap), _starts(size[1], width, overlap)
    return [Window(top, left, height, width) for top in tops for left in lefts]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    count = 1 + math.ceil((length - side) / max(1, math.floor(side * (1 - overlap))))
    return torch.linspace(0, length - side, count, dtype=torch.float64).round().int().tolist()
