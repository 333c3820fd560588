"""Semantic segmentation: one class per pixel; cross-entropy, IoU, Dice, boundary F-score, IoU by object size."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import ndimage
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from skipbench.bench.data import Annotation, Boxes, DataInfo, Instances, Mask, Sample
from skipbench.bench.data.loading import Batch
from skipbench.bench.data.pixels import visible
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.tasks.base import Options, Task, TaskError, register_task
from skipbench.bench.tasks.segmentation.losses import balanced, dice_loss, focal
from skipbench.bench.tasks.segmentation.merging import MergeScorer, components
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer
from skipbench.bench.tasks.segmentation.stitching import largest, mean_logits, stitched
from skipbench.bench.tasks.view import View
from skipbench.bench.validation import LATER
from skipbench.errors import unknown_name

NotNegative = Annotated[float, Field(ge=0)]
SURE = 50.0  # a logit whose probability is 1 in float32
ABOVE_CHANCE = 0.05  # of ln K: what the logits before training add to the loss of K classes
_REACH = 6  # sigmas; past these the extra weight is below 2e-8 of its maximum, less than float32 resolves


class SegmentationOptions(Options):
    """What the loss is made of, and how pixels weigh in it; U-Net's border weights are 10 and 5 px."""

    border_weight: NotNegative = 0.0  # what a pixel between two touching objects weighs more
    border_sigma: Annotated[float, Field(gt=0)] = 5.0  # px; how far from both objects that wears off
    cross_entropy: Annotated[NotNegative, LATER] = 1.0  # how much of it there is in the loss
    dice: Annotated[NotNegative, LATER] = 0.0  # and how much of 1 - soft Dice
    focal: Annotated[NotNegative, LATER] = (
        0.0  # gamma, by which sure pixels count less in cross-entropy; 2 is usual
    )
    # what each pixel of a class weighs in cross-entropy, 1 if not said; "balanced": all classes alike, in training
    class_weights: Annotated[Literal["balanced"] | dict[str, NotNegative] | None, LATER] = None

    @model_validator(mode="after")
    def _not_empty(self) -> "SegmentationOptions":
        if not self.cross_entropy + self.dice:
            raise ValueError("cross_entropy and dice are both 0, so that there is no loss; give one of them.")
        return self


@register_task("segmentation")
class Segmentation(Task):
    """One of the dataset's classes for every pixel."""

    Options = SegmentationOptions
    options: SegmentationOptions
    annotation = Mask
    truths = (Instances, Boxes)
    scorers = (SegmentationScorer, MergeScorer)
    in_own_pixels = True
    of_loss = frozenset(SegmentationOptions.model_fields)

    def __init__(self, info: DataInfo, options: Any = None) -> None:
        """Raises TaskError where there are no masks, or no class of a name that `class_weights` has."""
        super().__init__(info, options)
        given, names = self.options.class_weights, info[Mask].names
        named = given if isinstance(given, dict) else {}
        for name in named:
            if name not in names:
                raise TaskError("in task.class_weights: " + unknown_name("class", name, names))
        self._class_weights = torch.tensor([named.get(name, 1.0) for name in names])

    def begin(self, train: Dataset[Sample]) -> None:
        """Weigh the classes by their pixels, where they are to be balanced."""
        if self.options.class_weights == "balanced":
            self._class_weights = balanced(train, len(self.info[Mask].names), self.info.resize == "crop")

    @property
    def targets(self) -> tuple[type[Annotation], ...]:
        """The mask, and for weights at borders the objects, where the data tell them apart."""
        return (Mask, Instances) if self.options.border_weight else (Mask,)

    @property
    def factors(self) -> dict[str, Any]:
        """A logit per class, an ignored one is not among them, at the image's size."""
        return {"classes": len(self.info[Mask].names), "head_stride": 1}

    @property
    def background(self) -> int:
        """The class that is no object."""
        return self.info[Mask].background

    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return what the options make of two losses, averaged over predictions.

        Cross-entropy, averaged over labelled pixels by their weight, and Dice.
        """
        mask, weights, options = batch["mask"].long(), self._weights(batch), self.options
        losses = [(focal(self._cross_entropy(x, mask), options.focal) * weights).sum() for x in predictions]
        least = torch.finfo(weights.dtype).tiny  # where no pixel counts the loss is 0, not NaN
        loss = torch.stack(losses).mean() / weights.sum().clamp(min=least)
        if not options.dice:
            return loss * options.cross_entropy
        labelled = mask != self.info[Mask].ignore_index
        overlap = torch.stack([dice_loss(logits, mask, labelled) for logits in predictions]).mean()
        return options.cross_entropy * loss + options.dice * overlap

    def logit_std(self, logits: Tensor) -> float:
        """Return the standard deviation at which independent logits cost ABOVE_CHANCE more than chance.

        To second order, cross-entropy is ln K + (1 - 1/K) std^2 / 2 where the true class's logit is 0 on average.
        """
        classes = max(2, logits.shape[1])
        return math.sqrt(2 * ABOVE_CHANCE * math.log(classes) / (1 - 1 / classes))

    def _weights(self, batch: Batch) -> Tensor:
        """Return what each pixel weighs (N, H, W): 0 where ignored, else its class's, 1 plus the border weight."""
        mask, options = batch["mask"], self.options
        labelled = (mask != self.info[Mask].ignore_index).float()
        if options.class_weights:
            known = mask.long().masked_fill(labelled == 0, 0)
            labelled = labelled * self._class_weights.to(labelled.device)[known]
        if not options.border_weight:
            return labelled
        ignore_index = self.info[Mask].ignore_index
        objects = (
            batch["instances"] if "instances" in batch else connected_objects(mask, self.background, ignore_index)
        )
        return labelled * border_weights(objects, options.border_weight, options.border_sigma)

    def _cross_entropy(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of each pixel (N, H, W), 0 where ignored."""
        if logits.shape[-2:] != mask.shape[-2:]:
            sizes = ["x".join(map(str, tensor.shape[-2:])) for tensor in (logits, mask)]
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
        """Return the label map (N, H, W) of logits (N, C, H, W)."""
        return logits.argmax(1)

    def artifact(self, outputs: list[Tensor], batch: Batch) -> LabelMaps:
        """Return true and predicted label maps."""
        held = LabelMaps.type_for(len(self.info[Mask].names))
        ignored = batch["mask"] == self.info[Mask].ignore_index
        return LabelMaps(
            images=visible(batch["image"]).permute(0, 2, 3, 1).cpu().numpy(),
            truth=batch["mask"].masked_fill(ignored, np.iinfo(held).max).cpu().numpy().astype(held),
            prediction=self.predict(outputs[-1]).cpu().numpy().astype(held),
            classes=np.array(self.info[Mask].names),
        )

    def whole(self, view: View, outputs: Iterable[list[Tensor]]) -> list[Tensor]:
        """Return the logits of each pixel of the image, their mean where windows overlap."""
        return [mean_logits((maps[-1] for maps in outputs), view)[None]]

    def assemble(self, view: View, outputs: Iterable[list[Tensor]]) -> LabelMaps:
        """Return the class of each pixel of the image; logits of tiles are averaged where they overlap."""
        logits = (maps[-1] for maps in outputs)
        labels = largest(next(logits), view) if len(view.windows) == 1 else stitched(logits, view)
        held = LabelMaps.type_for(len(self.info[Mask].names))
        return LabelMaps(
            images=view.images,
            truth=np.full((1, *view.size), np.iinfo(held).max, held),
            prediction=labels[None].numpy().astype(held),
            classes=np.array(self.info[Mask].names),
        )


def border_weights(objects: Tensor, weight: float, sigma: float) -> Tensor:
    """Return w = 1 + weight * exp(-(d1 + d2)^2 / (2 sigma^2)) as (N, H, W) float32.

    d1 and d2 are the distances in px to the nearest and to the second nearest object, of objects (N, H, W):
    whole numbers, 0 where no object is. The weight is added everywhere, also on the objects themselves (d1 = 0).
    An image with fewer than two objects weighs 1 all over. Computed on the CPU.
    Ronneberger et al. 2015, "U-Net", equation 2 with w_c = 1: classes are not balanced.
    """
    maps = [_two_nearest(image, sigma).sum(0) for image in objects.cpu().numpy()]
    extra = np.exp(-(np.stack(maps) ** 2) / (2 * sigma**2))
    return torch.from_numpy(1 + weight * extra).to(objects.device, torch.float32)


def connected_objects(mask: Tensor, background: int, ignore_index: int) -> Tensor:
    """Return the connected components (4 neighbours) of each class but the background, (N, H, W) int32 from 1.

    Components of an image are numbered class by class; the background and ignored pixels of mask (N, H, W) are 0.
    """
    return torch.from_numpy(
        np.stack([components(image, {background, ignore_index}) for image in mask.cpu().numpy()])
    )


def _two_nearest(objects: NDArray[np.integer], sigma: float) -> NDArray[np.float64]:
    """Return the distances (2, H, W) to the nearest and second nearest object, infinite past the reach."""
    nearest = np.full((2, *objects.shape), np.inf)
    margin = int(np.ceil(_REACH * sigma))
    for number, window in enumerate(ndimage.find_objects(objects), start=1):
        if window is None:
            continue
        around = tuple(slice(max(axis.start - margin, 0), axis.stop + margin) for axis in window)
        distance = ndimage.distance_transform_edt(objects[around] != number)
        so_far = nearest[(slice(None), *around)]
        so_far[:] = np.sort(np.stack([*so_far, distance]), axis=0)[:2]
    return nearest
