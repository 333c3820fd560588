"""The losses of FCOS (arXiv 1904.01355): focal on classes, GIoU on boxes, cross-entropy on centre-ness."""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from skipbench.bench.tasks.detection.assignment import IGNORED, Assignment
from skipbench.bench.tasks.detection.locations import Locations, distances_inside
from skipbench.bench.tasks.detection.output import HeadOutput


def centre_ness(distances: Tensor) -> Tensor:
    """Return how central points are in their boxes (...), 0 on a side to 1 in the middle, by distances (..., 4)."""
    near = torch.minimum(distances[..., :2], distances[..., 2:])
    far = torch.maximum(distances[..., :2], distances[..., 2:])
    return (near / far).prod(-1).sqrt()


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


def _class_loss(logits: Tensor, assignment: Assignment) -> Tensor:
    """Return the summed focal loss of logits (N, A, K), over all locations that learn a class or its absence."""
    learns = assignment.labels != IGNORED
    labels = assignment.labels[learns] + 1  # 0: background
    truth = functional.one_hot(labels, logits.shape[-1] + 1)[..., 1:]
    loss: Tensor = sigmoid_focal_loss(logits[learns], truth.to(logits), alpha=0.25, gamma=2.0, reduction="sum")
    return loss
