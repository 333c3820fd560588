"""People as pose estimation measures them: which joints count, how long a person is, where to look for them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from skipbench.bench.data.loading import Batch

Region = Literal["auto", "person", "image"]

_MARGIN = 0.25  # of a person's longer side, added to their box on every side


@dataclass(frozen=True)
class People:
    """The annotated people of N images, padded to P each, in image pixels."""

    joints: Tensor  # (N, P, J, 2) x, y
    annotated: Tensor  # (N, P, J) bool

    @classmethod
    def of(cls, batch: Batch) -> "People":
        """Return those of a batch's "joints" and "visibility"; hidden joints are annotated too."""
        joints = batch["joints"]
        return cls(joints, (batch["visibility"] > 0) & joints.isfinite().all(-1))

    @cached_property
    def boxes(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest x, y (N, P, 2 each) of a person's annotated joints; infinite without any."""
        other = ~self.annotated[..., None]
        return self.joints.masked_fill(other, torch.inf).amin(2), self.joints.masked_fill(other, -torch.inf).amax(2)

    @cached_property
    def sides(self) -> Tensor:
        """The longer side (N, P) of the box; 0 with fewer than two annotated joints."""
        low, high = self.boxes
        return (high - low).amax(-1).clamp(min=0)

    def lengths(self, reference: tuple[int, int] | None) -> Tensor:
        """Return the reference length (N, P): the distance of two joints, or with None the box's longer side.

        NaN where a person has none: where one of the two joints, or the whole box, is not known.
        """
        if reference is None:
            return self.sides.where(self.sides > 0, torch.nan)
        start, end = (self.joints[:, :, joint] for joint in reference)
        known = self.annotated[:, :, reference[0]] & self.annotated[:, :, reference[1]]
        distance: Tensor = torch.linalg.vector_norm(end - start, dim=-1)
        return distance.where(known & (distance > 0), torch.nan)

    def search(
        self, region: Region, stride: tuple[float, float], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the M people to look for: their images and numbers (M each), and where (M, J, h, w), bool.

        A heatmap's pixels are searched that the person's grown box touches, or all of them, and of these
        the ones nearest to their own joint of that kind. `stride` is (x, y), `size` (h, w).
        """
        everywhere = self._everywhere(region)
        sought = self.annotated.any(2) & ((self.sides > 0) | everywhere[:, None])
        images, numbers = sought.nonzero(as_tuple=True)
        low, high = (corner[images, numbers] for corner in self.boxes)
        margin = _MARGIN * self.sides[images, numbers]
        columns, rows = (
            touched(low[:, axis] - margin, high[:, axis] + margin, stride[axis], size[1 - axis]) for axis in (0, 1)
        )
        box = rows[:, :, None] & columns[:, None, :] | everywhere[images, None, None]
        return images, numbers, box[:, None] & self._nearest(images, numbers, stride, size)

    def _everywhere(self, region: Region) -> Tensor:
        """Return (N,), whether an image's people are looked for in all of it."""
        shown = self.annotated.any(2).sum(1)
        return shown <= 1 if region == "auto" else torch.full_like(shown, region == "image", dtype=torch.bool)

    def _nearest(
        self, images: Tensor, numbers: Tensor, stride: tuple[float, float], size: tuple[int, int]
    ) -> Tensor:
        """Return (M, J, h, w), which pixels no other person's joint of that kind is nearer to."""
        joints = self.joints.masked_fill(~self.annotated[..., None], torch.inf)
        nearest = joints.new_full((len(joints), joints.shape[2], *size), torch.inf)
        for others in joints.unbind(1):  # person by person, to save memory
            nearest = torch.minimum(nearest, _squared_distances(others, stride, size))
        return _squared_distances(joints[images, numbers], stride, size) <= nearest[images]


def _squared_distances(joints: Tensor, stride: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Return (..., h, w), from the joints (..., 2) to the pixels' centres, in image px."""
    x, y = (
        (torch.arange(size[1 - axis], device=joints.device) + 0.5) * stride[axis] - joints[..., axis, None]
        for axis in (0, 1)
    )
    return x[..., None, :] ** 2 + y[..., :, None] ** 2


def touched(low: Tensor, high: Tensor, stride: float, length: int) -> Tensor:
    """Return (M, length), which pixels of one axis the intervals from `low` to `high` (M, in image px) touch."""
    edges = torch.arange(length + 1, device=low.device) * stride
    return (edges[1:] > low[:, None]) & (edges[:-1] < high[:, None])
