"""What a detection head says: where it predicts, its maps as one set of predictions, the boxes in them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image

from skipbench.archs.blocks import BOX_CHANNELS

Size = tuple[int, int]  # (height, width)
MAX_DETECTIONS = 1000  # boxes per image, at which FPN's table 1 measures AR
_MAX_LOG_DISTANCE = 10.0  # e^10 strides are more than any image has; a larger one would only overflow


class Locations(NamedTuple):
    """The A pixels of all maps, level after level in the maps' order, each row by row."""

    points: Tensor  # (A, 2): x, y of the pixels' centres, in px of the image
    strides: Tensor  # (A,): px of the image per pixel of the map
    nearest: Tensor  # (A,): a box is this level's where its farthest side is farther away than this (px) ...
    farthest: Tensor  # (A,): ... and at most so far away


class HeadOutput(NamedTuple):
    """Predictions for K classes at all A locations of all levels, for N images."""

    class_logits: Tensor  # (N, A, K)
    log_distances: Tensor  # (N, A, 4): to the box's left, top, right and bottom, in strides
    centre_logits: Tensor  # (N, A)

    @classmethod
    def of(cls, maps: list[Tensor]) -> "HeadOutput":
        """Return the maps, each (N, K + 5, h, w), as one set of float32 predictions."""
        flat = torch.cat([level.flatten(2) for level in maps], 2).transpose(1, 2).float()
        return cls(flat[..., :-BOX_CHANNELS], flat[..., -BOX_CHANNELS:-1], flat[..., -1])

    def boxes(self, locations: Locations) -> Tensor:
        """Return the predicted boxes x1, y1, x2, y2 (N, A, 4), in px."""
        strides = self.log_distances.clamp(max=_MAX_LOG_DISTANCE).exp()
        return boxes_around(locations.points, strides * locations.strides[:, None])


class Detections(NamedTuple):
    """What was found in one image, the surest first."""

    boxes: Tensor  # (n, 4) x1, y1, x2, y2 in px
    labels: Tensor  # (n,) int64
    scores: Tensor  # (n,) 0 to 1


def locate(maps: Sequence[Size], image: Size, range_per_stride: float, device: torch.device) -> Locations:
    """Return the locations of maps, coarse to fine, over an image of that size.

    A level is for boxes whose farthest side is up to `range_per_stride` strides away and farther than
    that of the next finer level. The finest level has no lower bound, the coarsest no upper one.
    """
    strides = level_strides(maps, image)
    farthest = [math.inf, *(range_per_stride * stride for stride in strides[1:])]
    levels = zip(strides, [*farthest[1:], 0.0], farthest, strict=True)
    points = [_centres(size, stride, device) for size, stride in zip(maps, strides, strict=True)]
    counts = torch.tensor([len(level_points) for level_points in points], device=device)
    per_level = torch.tensor(list(levels), device=device)  # (levels, 3)
    return Locations(torch.cat(points), *per_level.repeat_interleave(counts, 0).unbind(1))


def level_strides(maps: Sequence[Size], image: Size) -> list[float]:
    """Return the stride in px of each of the maps, coarse to fine, that cover an image of that size.

    A map of stride s has ceil(image / s) pixels, so its size leaves a range of strides open. Of these the
    finest map gets the power of two, and coarser ones the finest's stride times a power of two; where
    the range holds none (the patches of some transformers), it is the smallest.
    """
    strides = [_stride(maps[-1], image, unit=1.0)]
    for size in reversed(maps[:-1]):
        strides.append(_stride(size, image, unit=strides[0]))
    return strides[::-1]


def _stride(size: Size, image: Size, unit: float) -> float:
    smallest = max(extent / pixels for extent, pixels in zip(image, size, strict=True))
    stride = unit * 2 ** math.ceil(math.log2(smallest / unit))
    fits = all(math.ceil(extent / stride) == pixels for extent, pixels in zip(image, size, strict=True))
    return stride if fits else smallest


def _centres(size: Size, stride: float, device: torch.device) -> Tensor:
    """Return x, y (h * w, 2) of the centres of a map's pixels, in px of the image."""
    rows, columns = ((torch.arange(pixels, device=device) + 0.5) * stride for pixels in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def distances_inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Return how far points (..., 2) lie inside the left, top, right and bottom of boxes (..., 4)."""
    return torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], -1)


def boxes_around(points: Tensor, distances: Tensor) -> Tensor:
    """Return the boxes x1, y1, x2, y2 (..., 4) whose sides are at these distances (..., 4) from points (..., 2)."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


@torch.no_grad()
def decode(
    output: HeadOutput, locations: Locations, image: Size, threshold: float, candidates: int, nms_iou: float
) -> list[Detections]:
    """Return what is found in each of N images of that size.

    A score is the geometric mean of a class's probability and the centre-ness. The `candidates` highest
    above `threshold` per image go through class-aware non-maximum suppression, and 1,000 stay.
    """
    classes = output.class_logits.shape[-1]
    scores = (output.class_logits.sigmoid() * output.centre_logits.sigmoid()[..., None]).sqrt().flatten(1)
    best, which = scores.topk(min(candidates, scores.shape[1]))  # (N, candidates)
    place = (which // classes)[..., None].expand(-1, -1, 4)
    boxes = clip_boxes_to_image(output.boxes(locations).gather(1, place), image)
    above = best > threshold
    return [
        suppress(Detections(*(value[keep] for value in values)), nms_iou)
        for keep, *values in zip(above, boxes, which % classes, best, strict=True)
    ]


def suppress(detections: Detections, nms_iou: float) -> Detections:
    """Return the surest, without those that overlap a surer one of their class by more than `nms_iou`."""
    kept = batched_nms(detections.boxes, detections.scores, detections.labels, nms_iou)[:MAX_DETECTIONS]
    return Detections(*(value[kept] for value in detections))
