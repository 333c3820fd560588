"""What a detection head learns: FCOS's assignment of boxes to locations, with centre sampling, and its losses."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from skipbench.bench.tasks.detection.head import HeadOutput, Locations, distances_inside

BACKGROUND = -1
IGNORE_INDEX = -2


class Assignment(NamedTuple):
    """What each of A locations learns in each of N images."""

    labels: Tensor  # (N, A) int64: a class, BACKGROUND, or IGNORE_INDEX where it learns no class
    boxes: Tensor  # (N, A, 4) x1, y1, x2, y2 in px; means nothing where there is no class

    @property
    def positive(self) -> Tensor:
        """(N, A): where there is a box to be found."""
        return self.labels >= 0


def assign(locations: Locations, boxes: Tensor, labels: Tensor, ignored: Tensor, radius: float) -> Assignment:
    """Assign to each location the smallest box that it lies in, of those that it is responsible for.

    It is responsible where it is less than `radius` strides away from the box's centre, along x and along y,
    and the box's farthest side is in the range of its level. Boxes are (N, M, 4) in px, `labels` and
    `ignored` (N, M); a label below 0 is padding. A location inside an ignored box learns nothing
    there unless it is responsible for another box.
    """
    boxes = functional.pad(boxes, (0, 0, 0, 1))  # one more box of no size: there is always one to look at
    labels = functional.pad(labels.long(), (0, 1), value=-1)
    ignored = functional.pad(ignored.bool(), (0, 1)) & (labels >= 0)
    distances = distances_inside(locations.points[:, None], boxes[:, None])  # (N, A, M, 4)
    inside = distances.amin(-1) > 0
    off_centre = (distances[..., :2] - distances[..., 2:]).abs().amax(-1) / 2
    size = distances.amax(-1)
    in_range = (size > locations.nearest[:, None]) & (size <= locations.farthest[:, None])
    real = (labels >= 0) & ~ignored
    mine = inside & in_range & (off_centre < radius * locations.strides[:, None]) & real[:, None]
    extents = boxes[..., 2:] - boxes[..., :2]
    smallest, which = extents.prod(-1)[:, None].where(mine, math.inf).min(-1)  # (N, A)
    unlabelled = (inside & ignored[:, None]).any(-1)
    rest = torch.where(unlabelled, IGNORE_INDEX, BACKGROUND)
    return Assignment(
        labels.gather(1, which).where(smallest < math.inf, rest),
        boxes.gather(1, which[..., None].expand(-1, -1, 4)),
    )


def fcos_loss(output: HeadOutput, locations: Locations, assignment: Assignment) -> Tensor:
    """Return the sum of the three losses, a scalar; finite also where no image has a box.

    The levels are one set of predictions. Class and centre-ness losses are divided by the number of
    locations with a box, the boxes' by the sum of the centre-ness that weights them.
    """
    positive = assignment.positive
    boxes, found = assignment.boxes[positive], output.boxes(locations)[positive]
    points = locations.points.expand(*positive.shape, 2)[positive]
    weights = centre_ness(distances_inside(points, boxes))
    overlap = (generalized_box_iou_loss(found, boxes) * weights).sum() / weights.sum().clamp(min=1e-6)
    logits = output.centre_logits[positive]
    centre = functional.binary_cross_entropy_with_logits(logits, weights, reduction="sum")
    loss: Tensor = (_class_loss(output.class_logits, assignment) + centre) / max(len(boxes), 1) + overlap
    return loss


def centre_ness(distances: Tensor) -> Tensor:
    """Return how central points are in their boxes (...), 0 on a side to 1 in the middle, by distances (..., 4)."""
    near = torch.minimum(distances[..., :2], distances[..., 2:])
    far = torch.maximum(distances[..., :2], distances[..., 2:])
    return (near / far).prod(-1).sqrt()


def _class_loss(logits: Tensor, assignment: Assignment) -> Tensor:
    """Return the summed focal loss of logits (N, A, K), over all locations that learn a class or its absence."""
    learns = assignment.labels != IGNORE_INDEX
    labels = assignment.labels[learns] + 1  # 0: background
    truth = functional.one_hot(labels, logits.shape[-1] + 1)[..., 1:]
    loss: Tensor = sigmoid_focal_loss(logits[learns], truth.to(logits), alpha=0.25, gamma=2.0, reduction="sum")
    return loss
