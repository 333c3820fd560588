"""Semantic segmentation: one class per pixel; cross-entropy, IoU and Dice."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.classification import MulticlassConfusionMatrix

from bench.loading import Batch
from bench.tasks.base import Task, TaskError, register_task

IGNORED = 255  # stands for an ignored pixel in the artifact


class SegmentationMetrics:
    """IoU and Dice of each class over all pixels of a split, and their means over classes.

    Both come from one confusion matrix of the whole split, not from means over images. A class found
    neither in truth nor in prediction has no score and no part in the means; one that was only
    predicted, or only present, scores 0. Ignored pixels count nowhere.
    """

    def __init__(self, classes: tuple[str, ...], ignore_index: int, device: torch.device) -> None:
        self._classes = classes
        self._confusion = MulticlassConfusionMatrix(
            len(classes), ignore_index=ignore_index, validate_args=False
        ).to(device)

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in logits (N, C, H, W) and batch["mask"] (N, H, W)."""
        self._confusion.update(outputs[-1].argmax(1), batch["mask"])

    def compute(self) -> dict[str, float]:
        """Return "miou", "dice", "iou/<class>" and "dice/<class>", each between 0 and 1."""
        matrix = self._confusion.compute().double().cpu()  # rows: truth, columns: prediction
        right = matrix.diag()
        marked = matrix.sum(0) + matrix.sum(1)  # pixels in truth plus pixels in prediction
        seen = marked > 0
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


@register_task("segmentation")
class Segmentation(Task):
    """One of the dataset's classes for every pixel."""

    annotation = "classes"
    targets = ("mask",)
    selection = "miou"

    @property
    def factors(self) -> dict[str, Any]:
        """A logit per class, an ignored one is not among them, at the image's size."""
        return {"classes": len(self.info.classes), "head_stride": 1}

    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return the cross-entropy, averaged over labelled pixels and then over predictions."""
        mask = batch["mask"].long()
        labelled = (mask != self.info.ignore_index).sum().clamp(min=1)  # no pixel labelled: loss 0, not NaN
        losses = [self._cross_entropy(logits, mask) for logits in predictions]
        return torch.stack(losses).mean() / labelled

    def _cross_entropy(self, logits: Tensor, mask: Tensor) -> Tensor:
        if logits.shape[-2:] != mask.shape[-2:]:
            sizes = ["x".join(map(str, each.shape[-2:])) for each in (logits, mask)]
            raise TaskError(
                f"the network predicts {sizes[0]} pixels where the mask has {sizes[1]}; segmentation needs "
                "predictions at the input's size (head_stride=1, padding='same')."
            )
        return functional.cross_entropy(logits, mask, ignore_index=self.info.ignore_index, reduction="sum")

    def metrics(self, device: torch.device) -> SegmentationMetrics:
        """Return an empty confusion matrix, ready to be filled."""
        return SegmentationMetrics(self.info.classes, self.info.ignore_index, device)

    def predict(self, logits: Tensor) -> Tensor:
        """Return the label map (N, H, W), uint8, of logits (N, C, H, W)."""
        return logits.argmax(1).to(torch.uint8)

    def artifact(self, outputs: list[Tensor], batch: Batch) -> dict[str, np.ndarray]:
        """Return images (n, H, W, 3), truth and prediction (n, H, W), all uint8, and the classes' names.

        Ignored pixels of the truth are 255, whatever the dataset's own index is.
        """
        truth = batch["mask"].masked_fill(batch["mask"] == self.info.ignore_index, IGNORED)
        return {
            "kind": np.array("label_maps"),
            "images": batch["image"].permute(0, 2, 3, 1).cpu().numpy(),
            "truth": truth.to(torch.uint8).cpu().numpy(),
            "prediction": self.predict(outputs[-1]).cpu().numpy(),
            "classes": np.array(self.info.classes),
        }
