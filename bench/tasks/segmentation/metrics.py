"""The scores of segmentation: IoU and Dice of the regions, F of their boundaries, IoU by object size."""

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from skipbench.bench.data import Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Breakdown, percentage
from skipbench.bench.tasks.base import Scorer, Task
from skipbench.bench.tasks.segmentation.boundary import BoundaryScore
from skipbench.bench.tasks.segmentation.sizes import KEYS, SizeScore

BY_SIZE = "Mean IoU of single objects, by the square root of their box's area"


class SegmentationScorer(Scorer):
    """IoU and Dice of each class over all pixels of a split, and their means; BoundaryScore; SizeScore.

    IoU and Dice come from one confusion matrix of the whole split, not from means over images. A class
    without a true pixel has no score and no part in the means, whatever was predicted, so that all networks
    are averaged over the same classes; where it was predicted, the class that is there misses that pixel.
    Ignored pixels count nowhere. Scores by size need the samples' "instances", "boxes" and "labels"; without
    them there are none.
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
        self._confusion = MulticlassConfusionMatrix(
            len(info[Mask].names), ignore_index=info[Mask].ignore_index, validate_args=False
        ).to(device)
        self._boundary = BoundaryScore(info[Mask].names, info[Mask].ignore_index, device)
        self._sizes = SizeScore(info, device)

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in logits (N, C, H, W), the last of `outputs`, and the batch with its "mask" (N, H, W)."""
        prediction = outputs[-1].argmax(1)
        self._confusion.update(prediction, batch["mask"])
        self._boundary.update(prediction, batch["mask"])
        if all(key in batch for key in KEYS):
            self._sizes.update(prediction, batch)

    def compute(self) -> dict[str, float]:
        """Return the scores, each between 0 and 1."""
        return self._regions() | self._boundary.compute() | self._sizes.compute()

    def absent(self) -> list[str]:
        """Return the classes without a true pixel."""
        true = self._confusion.compute().sum(1).tolist()
        return [name for name, pixels in zip(self._classes, true, strict=True) if not pixels]

    def _regions(self) -> dict[str, float]:
        matrix = self._confusion.compute().double().cpu()  # rows: truth, columns: prediction
        right = matrix.diag()
        marked = matrix.sum(0) + matrix.sum(1)  # pixels in truth plus pixels in prediction
        seen = matrix.sum(1) > 0
        scores = {"iou": right / (marked - right), "dice": 2 * right / marked}
        values = {
            f"{score}/{name}": float(each[index])
            for score, each in scores.items()
            for index, name in enumerate(self._classes)
            if seen[index]
        }
        if seen.any():
            means = {"miou": scores["iou"][seen].mean(), "dice": scores["dice"][seen].mean()}
            values |= {name: float(mean) for name, mean in means.items()}
        return values
