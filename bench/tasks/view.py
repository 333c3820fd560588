"""A new image as a network sees it: the whole of it, or tile by tile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from skipbench.bench.data.pixels import visible
from skipbench.bench.data.windows import Size, Window, inner, see, shown, tiles, whole
from skipbench.bench.predictions import Array

__all__ = ["Size", "View", "Window", "tiles", "whole"]


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

    def extent(self, seen: Size) -> tuple[float, float]:
        """Return how high and wide in px all is that windows show at the size `seen`, padding included."""
        if len(self.windows) > 1:
            return self.size
        (window,) = self.windows
        part, length = shown(self.size, window), inner(self.size, window, seen)
        return seen[0] * part[0] / length[0], seen[1] * part[1] / length[1]

    def crops(self, size: Size) -> Iterator[Tensor]:
        """Yield what each window shows at `size`, (C, h, w) uint8."""
        for window in self.windows:
            yield see(self.pixels, window, size)
