"""IoU of single objects by their size, for data that tell the objects of a mask apart."""

import torch
from torch import Tensor

from skipbench.bench.data import Boxes, DataInfo, Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.records import SIZES

KEYS = ("instances", "boxes", "labels")


class SizeScore:
    """The mean IoU over the objects of each size; a size is the square root of the box's area.

    An object's intersection is those of its pixels that are predicted as its class; its union is its pixels
    and all pixels in its box that are predicted as its class but belong to no object of that class.
    Ignored pixels count nowhere. Objects marked as ignored, objects that show no pixel, and objects that no
    class of the mask has the name of, are left out.
    """

    def __init__(self, info: DataInfo, device: torch.device) -> None:
        self._limits = torch.tensor(info.limits, device=device)
        self._ignore_index = info[Mask].ignore_index
        classes, objects = info[Mask].names, info[Boxes].names if Boxes in info else ()
        indices = [classes.index(name) if name in classes else -1 for name in objects]
        self._classes = torch.tensor([*indices, -1], device=device)  # by label, from -1 = padding
        self._sums = torch.zeros(len(SIZES), dtype=torch.float64, device=device)
        self._counts = torch.zeros(len(SIZES), dtype=torch.float64, device=device)

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

    def compute(self) -> dict[str, float]:
        """Return "miou_by_size/small", ".../medium" and ".../large", for the sizes that were seen."""
        means = (self._sums / self._counts).tolist()
        return {f"miou_by_size/{name}": mean for name, mean in zip(SIZES, means, strict=True) if mean == mean}


def object_scores(
    prediction: Tensor, labelled: Tensor, instances: Tensor, boxes: Tensor, classes: Tensor
) -> Tensor:
    """Return the IoU (n,), float64, of one image's objects; NaN where an object has no labelled pixel.

    prediction, labelled and instances are (H, W), boxes (n, 4) in px, classes (n,) indices of the mask's classes.
    """
    numbers = torch.arange(1, len(classes) + 1, device=classes.device)
    own = (instances == numbers[:, None, None]) & labelled
    owner = torch.cat([classes.new_full((1,), -1), classes])[instances.long()]  # the class of a pixel's object
    each = classes[:, None, None]
    hit = (prediction == each) & labelled
    wrong = hit & (owner != each) & _inside(boxes, *prediction.shape)
    pixels, right = own.sum((1, 2)), (own & hit).sum((1, 2))
    scores = right.double() / (pixels + wrong.sum((1, 2)))
    return scores.masked_fill(pixels == 0, torch.nan)


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return which pixels (n, H, W) have their centre inside each box."""
    left, top, right, bottom = boxes.T[:, :, None]
    x, y = (torch.arange(length, device=boxes.device) + 0.5 for length in (width, height))
    in_columns, in_rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    return torch.logical_and(in_columns[:, None, :], in_rows[:, :, None])
