"""Pose: one heatmap per kind of joint over the whole image; mean squared error, PCK and error in px."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional

from skipbench.bench.data import Joints
from skipbench.bench.data.loading import Batch
from skipbench.bench.data.pixels import visible
from skipbench.bench.predictions import Skeletons
from skipbench.bench.tasks.base import Options, Task, TaskError, register_task
from skipbench.bench.tasks.pose.heatmaps import Subpixel, draw, find_peaks, joined
from skipbench.bench.tasks.pose.people import People, Region, touched
from skipbench.bench.tasks.pose.scores import PoseScorer
from skipbench.bench.tasks.view import View

__all__ = ["Pose", "PoseOptions"]


class PoseOptions(Options):
    """What may be varied of the task, the same for every network."""

    sigma: Annotated[float, Field(gt=0)] = 1.0  # of the target's Gaussians in heatmap px, as in the Hourglass paper
    region: Region = "auto"  # where a person is looked for; "auto": in their box, but in the whole image if alone
    subpixel: Subpixel = "taylor"  # "quarter" is the Hourglass paper's coarser rule

    @field_validator("region", mode="before")
    @classmethod
    def _renamed(cls, region: Any) -> Any:
        if region == "figure":
            raise ValueError("'figure' is now called 'person'.")
        return region


@register_task("pose")
class Pose(Task):
    """The joints of every annotated person of an image.

    An image may show several people, and the heatmaps don't say whose joint is where. So a person's joints
    are the maxima inside their region: the box of their annotated joints, grown by a quarter of its longer
    side on every side. That plays the part of the true centre and scale by which the Hourglass paper
    crops each person. With region "auto" a person who is alone in an image is looked for in all of it;
    this is decided image by image, so that it doesn't depend on how images are batched or padded. Of
    regions that overlap, a person has the pixels nearest to their own true joint of that kind: which of two
    equal maxima is a bit higher is chance.
    """

    Options = PoseOptions
    options: PoseOptions
    annotation = Joints
    scorers = (PoseScorer,)
    in_own_pixels = True
    seeks_people = True

    @property
    def factors(self) -> dict[str, Any]:
        """One channel per kind of joint, at a quarter of the image's size as in the Hourglass paper."""
        return {"classes": len(self.info[Joints].names), "head": "heatmap", "head_stride": 4}

    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return the mean squared error over pixels, joints and images over one Gaussian's, then over predictions.

        The unit is what an empty heatmap costs where there is one joint; in plain numbers the gradients of a
        training would shrink a hundredfold below those of its start, which AdamW remembers for long. Hidden
        joints are targets like visible ones. A kind of joint that is annotated nowhere in an image has an
        empty heatmap as its target, as in the Hourglass paper. Raises TaskError.
        """
        people = People.of(batch)
        sizes = [self._size(heatmaps) for heatmaps in predictions]
        targets = {size: self._target(people, size) for size in {*sizes}}
        gaussian = math.pi * self.options.sigma**2
        losses = [
            functional.mse_loss(heatmaps, targets[size]) * (size[0] * size[1]) / gaussian
            for heatmaps, size in zip(predictions, sizes, strict=True)
        ]
        return torch.stack(losses).mean()

    def perfect(self, outputs: list[Tensor], batch: Batch) -> list[Tensor]:
        """Return the targets."""
        people = People.of(batch)
        return [self._target(people, self._size(heatmaps)) for heatmaps in outputs]

    def logit_std(self, logits: Tensor) -> float:
        """Return a tenth of the root mean square of one joint's heatmap: what is predicted has its scale."""
        return 0.1 * math.sqrt(math.pi * self.options.sigma**2 / (logits.shape[-2] * logits.shape[-1]))

    def _target(self, people: People, size: tuple[int, int]) -> Tensor:
        points = people.joints / people.joints.new_tensor(_stride(self.info.size, size))
        return draw(points, people.annotated, size, self.options.sigma)

    def _size(self, heatmaps: Tensor) -> tuple[int, int]:
        """Return the size (h, w) of heatmaps (N, J, h, w). Raises TaskError where they don't fit the data."""
        kinds, *size = heatmaps.shape[1:]
        strides = range(1, min(self.info.size) + 1)
        sizes = ([-(-length // stride) for length in self.info.size] for stride in strides)
        if kinds != len(self.info[Joints].names) or size not in sizes:
            raise TaskError(
                f"the network predicts {kinds} channels of {size[0]}x{size[1]} pixels for images of "
                f"{self.info.size[0]}x{self.info.size[1]}; pose needs one per joint, over the whole image "
                f"(classes={len(self.info[Joints].names)}, head_stride=4, padding='same')."
            )
        return size[0], size[1]

    def decode(self, heatmaps: Tensor, batch: Batch) -> Tensor:
        """Return x, y (N, P, J, 2) of every annotated joint in image px, see `locate`."""
        return self.locate(heatmaps, batch)[0]

    def locate(self, heatmaps: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return x, y (N, P, J, 2) in image px of every annotated joint, and its maximum's height (N, P, J).

        Of other joints they are NaN, and of a person whose region is their box where that has no extent: with
        one joint annotated, to look around it would give the truth away. An image at its own size, see `whole`,
        may be padded; nothing is looked for there. Raises TaskError.
        """
        people, (height, width) = People.of(batch), self.info.size
        extent: Sequence[float] = self.info.size
        if "extent" in batch:
            size = heatmaps.shape[2], heatmaps.shape[3]
            (height, width), extent = batch["image"].shape[-2:], batch["extent"][0].tolist()
        else:
            size = self._size(heatmaps)
        stride, image = _stride(extent, size), people.joints.new_tensor([[0, 0, width, height]])
        images, numbers, regions = people.search(self.options.region, stride, size)
        regions = regions & _touched_by(image, stride, size)
        peaks, tops = find_peaks(heatmaps[images].float(), regions, self.options.subpixel)
        points = torch.full_like(people.joints, torch.nan)
        points[images, numbers] = torch.minimum(peaks * peaks.new_tensor(stride), image[0, 2:])
        heights = torch.full_like(points[..., 0], torch.nan)
        heights[images, numbers] = tops
        unknown = ~people.annotated
        return points.masked_fill(unknown[..., None], torch.nan), heights.masked_fill(unknown, torch.nan)

    def artifact(self, outputs: list[Tensor], batch: Batch) -> Skeletons:
        """Return true and predicted joints; those that are not annotated are NaN in both."""
        people = People.of(batch)
        arrays = {
            "images": visible(batch["image"]).permute(0, 2, 3, 1),
            "truth": people.joints.masked_fill(~people.annotated[..., None], torch.nan),
            "visibility": batch["visibility"],
            "prediction": self.decode(outputs[-1], batch),
            "lengths": people.lengths(self.info[Joints].reference),
        }
        numbers = {name: array.cpu().numpy() for name, array in arrays.items()}
        bones = np.array(self.info[Joints].bones, np.int64).reshape(-1, 2)
        return Skeletons(**numbers, joints=np.array(self.info[Joints].names), bones=bones)

    def whole(self, view: View, outputs: Iterable[list[Tensor]]) -> list[Tensor]:
        """Return heatmaps (1, J, h, w) over all that is seen of the image, their mean where windows overlap."""
        heatmaps = [maps[-1] for maps in outputs]
        self._size(heatmaps[0][None])
        return [(heatmaps[0] if len(heatmaps) == 1 else joined(heatmaps, view))[None]]

    def assemble(self, view: View, outputs: Iterable[list[Tensor]]) -> Skeletons:
        """Return the joints of the people in the view's boxes, or of one person who may be anywhere.

        A joint is its heatmap's maximum among the pixels that the person's box touches. Of boxes that overlap, two
        may have the same maximum.
        """
        (heatmaps,) = self.whole(view, outputs)
        size = heatmaps.shape[2], heatmaps.shape[3]
        stride = _stride(view.extent(self.info.size), size)
        boxes = torch.tensor([[0.0, 0.0, *view.size[::-1]]]) if view.people is None else view.people
        people, joints = len(boxes), heatmaps.shape[1]
        regions = _touched_by(boxes, stride, size).expand(-1, joints, -1, -1)
        peaks, heights = find_peaks(heatmaps.expand(people, -1, -1, -1), regions, self.options.subpixel)
        points = torch.minimum(peaks * peaks.new_tensor(stride), peaks.new_tensor(view.size[::-1]))
        names = self.info[Joints].names
        return Skeletons(
            images=view.images,
            truth=np.full((1, *points.shape), np.nan, np.float32),
            visibility=np.zeros((1, *points.shape[:2]), np.uint8),
            prediction=points[None].numpy(),
            lengths=np.full((1, people), np.nan, np.float32),
            joints=np.array(names),
            bones=np.array(self.info[Joints].bones, np.int64).reshape(-1, 2),
            heights=heights[None].numpy(),
        )


def _stride(extent: Sequence[float], size: tuple[int, int]) -> tuple[float, float]:
    """Return the image pixels (x, y) per pixel of heatmaps of `size` (h, w) that cover `extent` (H, W) of them."""
    return extent[1] / size[1], extent[0] / size[0]


def _touched_by(boxes: Tensor, stride: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Return which pixels of heatmaps of `size` (h, w) boxes (P, 4) in image px touch, (P, 1, h, w) bool."""
    low, high = boxes[:, :2], boxes[:, 2:]
    columns, rows = (touched(low[:, axis], high[:, axis], stride[axis], size[1 - axis]) for axis in (0, 1))
    return (rows[:, :, None] & columns[:, None, :])[:, None]
