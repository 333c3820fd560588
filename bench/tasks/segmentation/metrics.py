"""The scores of segmentation: IoU and Dice of the regions, F of their boundaries, IoU by object size."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from skipbench.bench.data import Boxes, DataInfo, Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Breakdown, percentage
from skipbench.bench.tasks.base import Scorer, Tables, Task

TOLERANCE = 0.0075  # of the image's diagonal
NONE = -1  # marks a pixel that is not on a boundary
KEYS = ("instances", "boxes", "labels")
BY_SIZE = "Mean IoU of single objects, by the square root of their box's area"


class SegmentationScorer(Scorer):
    """IoU and Dice of each class over all pixels of a split, and their means; BoundaryScore; SizeScore.

    IoU and Dice come from one confusion matrix of the whole split, not from means over images. A class
    without a true pixel has no score and no part in the means, whatever was predicted, so that all networks
    are averaged over the same classes; where it was predicted, the class that is there misses that pixel.
    Where only background is true there are no means. Ignored pixels are left out. Scores by size need the
    samples' "instances", "boxes" and "labels"; without them there are none.
    """

    scores = (
        percentage(
            "miou", "mIoU", Breakdown("class", "iou/"), Breakdown("object size", "miou_by_size/", SIZES, BY_SIZE)
        ),
        percentage("dice", "Dice", Breakdown("class", "dice/")),
        percentage("boundary_f", "Boundary F", Breakdown("class", "boundary_f/")),
    )

    def __init__(self, task: Task, device: torch.device) -> None:
        super().__init__(task, device)
        info = task.info
        self._classes = info[Mask].names
        self._ignore_index, self._background = info[Mask].ignore_index, info[Mask].background
        # pixels of each image and class that are right, true, found: (N, 3, K) each
        self._counts = [torch.zeros(0, 3, len(self._classes), dtype=torch.int64, device=device)]
        self._boundary = BoundaryScore(info[Mask].names, info[Mask].ignore_index, device)
        self._sizes = SizeScore(info, device)

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in logits (N, C, H, W), the last of `outputs`, and the batch with its "mask" (N, H, W)."""
        prediction = outputs[-1].argmax(1)
        mask = batch["mask"].long()
        labelled = mask != self._ignore_index
        counted = (mask, labelled & (mask == prediction)), (mask, labelled), (prediction, labelled)
        self._counts.append(torch.stack([pixels(*each, len(self._classes)) for each in counted], 1))
        self._boundary.update(prediction, batch["mask"])
        if all(key in batch for key in KEYS):
            self._sizes.update(prediction, batch)

    def compute(self) -> dict[str, float]:
        """Return the scores, each between 0 and 1."""
        return self._regions() | self._boundary.compute() | self._sizes.compute()

    def absent(self) -> list[str]:
        """Return the classes without a true pixel."""
        true = torch.cat(self._counts).sum(0)[1].tolist()
        return [name for name, pixels in zip(self._classes, true, strict=True) if not pixels]

    def _regions(self) -> dict[str, float]:
        right, true, found = torch.cat(self._counts).sum(0).double().cpu()
        marked, seen = true + found, true > 0
        scores = {"iou": right / (marked - right), "dice": 2 * right / marked}
        values = {
            f"{score}/{name}": float(per_class[index])
            for score, per_class in scores.items()
            for index, name in enumerate(self._classes)
            if seen[index]
        }
        seen_beside = seen.clone()
        seen_beside[self._background] = False
        if seen_beside.any():  # the mean of the background alone says nothing
            means = {"miou": scores["iou"][seen].mean(), "dice": scores["dice"][seen].mean()}
            values |= {name: float(mean) for name, mean in means.items()}
        return values

    def per_image(self) -> Tables:
        """Return the pixels of each image's "classes", and the IoU of its "objects" where sizes are scored.

        Pixels are right, true and found, of regions and of boundaries; there, right ones are those of both that
        lie near the other: IoU = right / (true + found - right), P = boundary_found_right / boundary_found.
        """
        counts = torch.cat([torch.cat(self._counts), torch.cat(self._boundary.counts)], 1).cpu()  # (N, 7, K)
        images, classes = counts.any(1).nonzero().T.numpy()
        names = ("right", "true", "found", *(f"boundary_{name}" for name in BoundaryScore.COUNTED))
        numbers = {name: counts[images, row, classes].numpy() for row, name in enumerate(names)}
        return {
            "classes": {"image": images, "class": np.array(self._classes)[classes], **numbers},
            **self._sizes.per_image(),
        }


def pixels(labels: Tensor, chosen: Tensor, classes: int) -> Tensor:
    """Return how many of the `chosen` pixels (N, H, W) of each image have each label, (N, classes)."""
    images = torch.arange(len(labels), device=labels.device)[:, None, None]
    places = (labels.long() + classes * images)[chosen]
    return torch.bincount(places, minlength=classes * len(labels)).view(-1, classes)


class BoundaryScore:
    """F = 2 PR / (P + R) of each class's boundary pixels, pooled over all images of a split.

    P is the share of predicted boundary pixels with a true one of their class within the tolerance (0.75 %
    of the image's diagonal, 1 px at least, between pixel centres), R the share of true ones with a predicted
    one. After Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?"; they average
    over images, whereas here pixels are counted over the split, as for IoU. A class without a true boundary
    has no R and so no score; one that is never predicted where it has a boundary scores 0.
    """

    COUNTED = ("found_right", "found", "true_found", "true")

    def __init__(self, classes: tuple[str, ...], ignore_index: int, device: torch.device) -> None:
        self._classes = classes
        self._ignore_index = ignore_index
        # pixels of each image and class that COUNTED names: (N, 4, K) each
        self.counts = [torch.zeros(0, len(self.COUNTED), len(classes), dtype=torch.int64, device=device)]

    def update(self, prediction: Tensor, mask: Tensor) -> None:
        """Take in the predicted and the true labels, both (N, H, W)."""
        labelled = mask != self._ignore_index
        predicted, true = (boundaries(labels, labelled) for labels in (prediction, mask))
        reach = max(1.0, TOLERANCE * math.hypot(*mask.shape[-2:]))
        counted = (
            (predicted, matched(predicted, true, reach)),
            (predicted, predicted != NONE),
            (true, matched(true, predicted, reach)),
            (true, true != NONE),
        )
        self.counts.append(torch.stack([pixels(*each, len(self._classes)) for each in counted], 1))

    def compute(self) -> dict[str, float]:
        """Return "boundary_f/<class>" and their mean "boundary_f", each between 0 and 1."""
        found_right, found, true_found, true = torch.cat(self.counts).sum(0).double().cpu()
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


class SizeScore:
    """The mean IoU over the objects of each size; a size is the square root of the box's area.

    An object's intersection is those of its pixels that are predicted as its class; its union is its pixels
    and all pixels in its box that are predicted as its class but belong to no object of that class.
    Ignored pixels are left out. Objects marked as ignored, objects that show no pixel, and objects that no
    class of the mask has the name of, are left out too.
    """

    def __init__(self, info: DataInfo, device: torch.device) -> None:
        self._limits = torch.tensor(info.limits, device=device)
        self._ignore_index = info[Mask].ignore_index
        classes, objects = info[Mask].names, info[Boxes].names if Boxes in info else ()
        indices = [classes.index(name) if name in classes else -1 for name in objects]
        self._classes = torch.tensor([*indices, -1], device=device)  # by label, from -1 = padding
        self._sums = torch.zeros(len(SIZES), dtype=torch.float64, device=device)
        self._counts = torch.zeros(len(SIZES), dtype=torch.float64, device=device)
        self._images = 0
        self._objects: list[Tensor] = []  # (n, 3) each: image, size, IoU

    def update(self, prediction: Tensor, batch: Batch) -> None:
        """Take in predicted labels (N, H, W) and "mask", "instances", "boxes", "labels", perhaps "ignored"."""
        ignored = batch.get("ignored", torch.zeros_like(batch["labels"], dtype=torch.bool))
        for index, predicted in enumerate(prediction):
            classes = self._classes[batch["labels"][index]]
            instances, boxes = batch["instances"][index], batch["boxes"][index]
            labelled = batch["mask"][index] != self._ignore_index
            scores = object_scores(predicted, labelled, instances, boxes, classes)
            counted = (classes >= 0) & ~ignored[index] & scores.isfinite()
            areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
            sizes = torch.bucketize(areas.sqrt(), self._limits, right=True)[counted]
            self._sums.index_add_(0, sizes, scores[counted])
            self._counts.index_add_(0, sizes, torch.ones_like(scores[counted]))
            images = torch.full_like(scores[counted], self._images)
            self._objects.append(torch.stack([images, sizes, scores[counted]], 1))
            self._images += 1

    def compute(self) -> dict[str, float]:
        """Return "miou_by_size/small", ".../medium" and ".../large", for the sizes that were seen."""
        means = (self._sums / self._counts).tolist()
        return {f"miou_by_size/{name}": mean for name, mean in zip(SIZES, means, strict=True) if mean == mean}

    def per_image(self) -> Tables:
        """Return the size and the IoU of all "objects" that count; no table where none was to be looked for."""
        if not self._objects:
            return {}
        images, sizes, scores = torch.cat(self._objects).cpu().numpy().T
        named = np.array(SIZES)[sizes.astype(np.int64)]
        return {"objects": {"image": images.astype(np.int64), "size": named, "iou": scores}}


def object_scores(
    prediction: Tensor, labelled: Tensor, instances: Tensor, boxes: Tensor, classes: Tensor
) -> Tensor:
    """Return the IoU (n,), float64, of one image's objects; NaN where an object has no labelled pixel.

    prediction, labelled and instances are (H, W), boxes (n, 4) in px, classes (n,) indices of the mask's classes.
    """
    numbers = torch.arange(1, len(classes) + 1, device=classes.device)
    own = (instances == numbers[:, None, None]) & labelled
    owner = torch.cat([classes.new_full((1,), -1), classes])[instances.long()]  # the class of a pixel's object
    own_class = classes[:, None, None]
    hit = (prediction == own_class) & labelled
    wrong = hit & (owner != own_class) & _inside(boxes, *prediction.shape)
    pixels, right = own.sum((1, 2)), (own & hit).sum((1, 2))
    scores = right.double() / (pixels + wrong.sum((1, 2)))
    return scores.masked_fill(pixels == 0, torch.nan)


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return which pixels (n, H, W) have their centre inside each box."""
    left, top, right, bottom = boxes.T[:, :, None]
    x, y = (torch.arange(length, device=boxes.device) + 0.5 for length in (width, height))
    in_columns, in_rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    return torch.logical_and(in_columns[:, None, :], in_rows[:, :, None])
