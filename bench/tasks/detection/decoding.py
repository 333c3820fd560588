"""From what a detection head says to boxes with scores."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image

from skipbench.bench.tasks.detection.locations import Locations, Size
from skipbench.bench.tasks.detection.output import HeadOutput

MOST = 1000  # boxes per image, at which FPN's table 1 measures AR


class Detections(NamedTuple):
    """What was found in one image, the surest first."""

    boxes: Tensor  # (n, 4) x1, y1, x2, y2 in px
    labels: Tensor  # (n,) int64
    scores: Tensor  # (n,) 0 to 1


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
        _suppress(Detections(*(value[keep] for value in each)), nms_iou)
        for keep, *each in zip(above, boxes, which % classes, best, strict=True)
    ]


def _suppress(found: Detections, nms_iou: float) -> Detections:
    kept = batched_nms(found.boxes, found.scores, found.labels, nms_iou)[:MOST]
    return Detections(*(value[kept] for value in found))
