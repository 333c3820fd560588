"""What a network sees of a dataset's images, where they are scored, and how that is said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from skipbench.bench.data.windows import Resize, Size, around, inner, windows_of

_DISTORTED = 1.1  # an aspect that is changed by more is told
_NARROW = 0.25  # of the shorter side of what is seen; so is a fitted image that fills less of it


@dataclass(frozen=True)
class Seeing:
    """How images of any size come to `size` (H, W), and whether they are scored in their own pixels."""

    resize: Resize
    size: Size
    overlap: float
    own_pixels: bool  # also where they are stretched

    @property
    def in_own_pixels(self) -> bool:
        """Whether images are scored at their own sizes."""
        return self.own_pixels or self.resize != "stretch"

    def described(self, sizes: Sequence[Size], limits: tuple[float, float] | None) -> dict[str, Any]:
        """Return what a DataInfo has of it, for images of these sizes; `limits` are those that the format knows.

        In images' own pixels small and large are told by the median of their shorter sides.
        """
        if limits is None and self.in_own_pixels:
            side = median(map(min, sizes))
            limits = side / 6, side / 3  # as those of what is seen, see DataInfo.limits
        windows = [len(windows_of(self.resize, size, self.size, self.overlap)) for size in sizes]
        return {
            "size": self.size,
            "size_limits": limits,
            "resize": self.resize,
            "overlap": self.overlap if self.resize == "crop" else 0.0,
            "windows": sum(windows) / len(windows),
            "own_pixels": self.in_own_pixels,
        }

    def notes(self, sizes: Sequence[Size]) -> list[str]:
        """Return a sentence on what is seen of images of these sizes; none where it is all, undistorted."""
        ends = dict.fromkeys((min(sizes), max(sizes)))
        what = "Images of " + " to ".join(f"{height}x{width}" for height, width in ends) + " px (height x width)"
        seen = f"{self.size[0]}x{self.size[1]} px"
        if self.resize == "crop":
            return [
                f"{what} are learnt in windows of {seen} at their own resolution, and scored as a whole in their "
                f"own pixels, by windows that share {self.overlap:g} of a side (data.resize=crop, "
                f"data.overlap={self.overlap:g})."
            ]
        if self.resize == "fit":
            narrowest = min(min(inner(size, around(size, self.size), self.size)) for size in sizes)
            slit = f" The narrowest is {narrowest} px wide there: data.resize=crop shows it at its own resolution."
            return [
                f"{what} are scaled to fit into {seen} with their aspect, and padded (data.resize=fit); they are "
                f"scored in their own pixels.{slit if narrowest < _NARROW * min(self.size) else ''}"
            ]
        distorted = max(abs(math.log(height / width / (self.size[0] / self.size[1]))) for height, width in sizes)
        times = math.exp(distorted)
        by = f"{times:.2g}" if times < 10 else f"{times:,.0f}"
        changed = f", their aspect changed by up to {by}; data.resize=fit or crop keeps it"
        if distorted < math.log(_DISTORTED):
            changed = ""
        if self.own_pixels:
            return [f"{what} are learnt at {seen} and scored in their own pixels{changed}."]
        if not changed:
            return []
        return [
            f"{what} are squeezed to {seen}, in which they are learnt and scored{changed}, and "
            "data.own_pixels=true scores them in their own pixels."
        ]
