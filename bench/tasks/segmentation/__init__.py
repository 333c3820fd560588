"""Semantic segmentation: one class per pixel; cross-entropy, IoU, Dice, boundary F-score, IoU by object size."""

import math
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from skipbench.bench.data import Annotation, Boxes, Instances, Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.tasks.base import Options, Task, TaskError, register_task
from skipbench.bench.tasks.segmentation.borders import border_weights, connected_objects
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer

SURE = 50.0  # a logit whose probability is 1 in float32
ABOVE_CHANCE = 0.05  # of ln K: what the logits before training add to the loss of K classes


class SegmentationOptions(Options):
    """How pixels weigh in the loss; U-Net's border weights are 10 and 5 px."""

    border_weight: Annotated[float, Field(ge=0)] = 0.0  # what a pixel between two touching objects weighs more
    border_sigma: Annotated[float, Field(gt=0)] = 5.0  # px; how far from both objects that wears off


@register_task("segmentation")
class Segmentation(Task):
    """One of the dataset's classes for every pixel."""

    Options = SegmentationOptions
    options: SegmentationOptions
    annotation = Mask
    truths = (Instances, Boxes)
    scorers = (SegmentationScorer,)

    @property
    def targets(self) -> tuple[type[Annotation], ...]:
        """The mask, and for weights at borders the objects, where the data tell them apart."""
        return (Mask, Instances) if self.options.border_weight else (Mask,)

    @property
    def factors(self) -> dict[str, Any]:
        """A logit per class, an ignored one is not among them, at the image's size."""
        return {"classes": len(self.info[Mask].names), "head_stride": 1}

    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return the cross-entropy, averaged over labelled pixels by their weight and then over predictions."""
        mask, weights = batch["mask"].long(), self._weights(batch)
        losses = [(self._cross_entropy(logits, mask) * weights).sum() for logits in predictions]
        return torch.stack(losses).mean() / weights.sum().clamp(min=1)  # no pixel labelled: loss 0, not NaN

    def logit_std(self, logits: Tensor) -> float:
        """Return the standard deviation at which independent logits cost ABOVE_CHANCE more than chance.

        To second order, cross-entropy is ln K + (1 - 1/K) std^2 / 2 where the true class's logit is 0 on average.
        """
        classes = max(2, logits.shape[1])
        return math.sqrt(2 * ABOVE_CHANCE * math.log(classes) / (1 - 1 / classes))

    def _weights(self, batch: Batch) -> Tensor:
        """Return what each pixel weighs (N, H, W): 0 where ignored, else 1 plus the border weight."""
        mask, options = batch["mask"], self.options
        labelled = (mask != self.info[Mask].ignore_index).float()
        if not options.border_weight:
            return labelled
        objects = batch["instances"] if "instances" in batch else self._components(mask)
        return labelled * border_weights(objects, options.border_weight, options.border_sigma)

    def _components(self, mask: Tensor) -> Tensor:
        """Return the components of all classes but "background", or but the first where none is named so."""
        names = [name.lower() for name in self.info[Mask].names]
        background = names.index("background") if "background" in names else 0
        return connected_objects(mask, background, self.info[Mask].ignore_index)

    def _cross_entropy(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of each pixel (N, H, W), 0 where ignored."""
        if logits.shape[-2:] != mask.shape[-2:]:
            sizes = ["x".join(map(str, each.shape[-2:])) for each in (logits, mask)]
            raise TaskError(
                f"the network predicts {sizes[0]} pixels where the mask has {sizes[1]}; segmentation needs "
                "predictions at the input's size (head_stride=1, padding='same')."
            )
        return functional.cross_entropy(logits, mask, ignore_index=self.info[Mask].ignore_index, reduction="none")

    def perfect(self, outputs: list[Tensor], batch: Batch) -> list[Tensor]:
        """Return logits that are sure of each pixel's class; where it is ignored, of the first one."""
        mask = batch["mask"].long()
        known = mask.masked_fill(mask == self.info[Mask].ignore_index, 0)
        return [SURE * functional.one_hot(known, logits.shape[1]).movedim(-1, 1).to(logits) for logits in outputs]

    def predict(self, logits: Tensor) -> Tensor:
        """Return the label map (N, H, W), uint8, of logits (N, C, H, W)."""
        return logits.argmax(1).to(torch.uint8)

    def artifact(self, outputs: list[Tensor], batch: Batch) -> LabelMaps:
        """Return true and predicted label maps."""
        truth = batch["mask"].masked_fill(batch["mask"] == self.info[Mask].ignore_index, LabelMaps.IGNORED)
        return LabelMaps(
            images=batch["image"].permute(0, 2, 3, 1).cpu().numpy(),
            truth=truth.to(torch.uint8).cpu().numpy(),
            prediction=self.predict(outputs[-1]).cpu().numpy(),
            classes=np.array(self.info[Mask].names),
        )
