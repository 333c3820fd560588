"""Boundary F-score: how well the outlines of a class are found, within a small distance."""

import math

import torch
from torch import Tensor
from torch.nn import functional

TOLERANCE = 0.0075  # of the image's diagonal
NONE = -1  # marks a pixel that is no boundary


class BoundaryScore:
    """F = 2 PR / (P + R) of each class's boundary pixels, pooled over all images of a split.

    P is the share of predicted boundary pixels with a true one of their class within the tolerance (0.75 %
    of the image's diagonal, 1 px at least, between pixel centres), R the share of true ones with a predicted
    one. After Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?"; they average
    over images, whereas here pixels are counted over the split, as for IoU. A class without a true boundary
    has no R and so no score; one that is never predicted where it has a boundary scores 0.
    """

    def __init__(self, classes: tuple[str, ...], ignore_index: int, device: torch.device) -> None:
        self._classes = classes
        self._ignore_index = ignore_index
        self._counts = torch.zeros(4, len(classes), dtype=torch.int64, device=device)

    def update(self, prediction: Tensor, mask: Tensor) -> None:
        """Take in the predicted and the true labels, both (N, H, W)."""
        labelled = mask != self._ignore_index
        found, true = (boundaries(labels, labelled) for labels in (prediction, mask))
        reach = max(1.0, TOLERANCE * math.hypot(*mask.shape[-2:]))
        counted = found[matched(found, true, reach)], found, true[matched(true, found, reach)], true
        self._counts += torch.stack([self._per_class(marks) for marks in counted])

    def _per_class(self, marks: Tensor) -> Tensor:
        return torch.bincount(marks[marks != NONE].long(), minlength=len(self._classes))

    def compute(self) -> dict[str, float]:
        """Return "boundary_f/<class>" and their mean "boundary_f", each between 0 and 1."""
        found_right, found, true_found, true = self._counts.double().cpu()
        precision, recall = found_right / found.clamp(min=1), true_found / true.clamp(min=1)
        scores = 2 * precision * recall / (precision + recall).clamp(min=torch.finfo(torch.double).tiny)
        seen = true > 0
        values = {f"boundary_f/{name}": float(scores[i]) for i, name in enumerate(self._classes) if seen[i]}
        return values | ({"boundary_f": float(scores[seen].mean())} if values else {})


def boundaries(labels: Tensor, labelled: Tensor) -> Tensor:
    """Return the class of each boundary pixel and NONE elsewhere, (N, H, W) int16, of labels and labelled alike.

    A boundary pixel has a pixel of another class above, below, left or right of it. Pixels that are not
    `labelled` are neither boundary nor neighbour, and the image's edge makes no boundary.
    """
    boundary = torch.zeros_like(labelled)
    for axis in (-2, -1):
        length = labels.shape[axis] - 1
        one, next_one = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        both = labelled.narrow(axis, 0, length) & labelled.narrow(axis, 1, length)
        for start in (0, 1):
            boundary.narrow(axis, start, length).logical_or_((one != next_one) & both)
    return labels.short().masked_fill(~boundary, NONE)


def matched(marks: Tensor, others: Tensor, radius: float) -> Tensor:
    """Return which of the marks (N, H, W) have one of their class among the others within `radius` px.

    Distances are between pixel centres.
    """
    side, (height, width) = math.floor(radius), marks.shape[-2:]
    padded = functional.pad(others, (side,) * 4, value=NONE)
    near = torch.zeros_like(marks, dtype=torch.bool)
    for y in range(-side, side + 1):
        reach = math.isqrt(math.floor(radius**2) - y**2)
        for x in range(-reach, reach + 1):
            near |= marks == padded[:, side + y :, side + x :][:, :height, :width]
    return near & (marks != NONE)
