"""Detection: boxes of objects with their classes, by one anchor-free head as in FCOS; COCO's AP and AR."""

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import pad_sequence

from skipbench.archs.blocks import BOX_CHANNELS, PRIOR_LOGIT
from skipbench.bench import predictions
from skipbench.bench.data import Boxes
from skipbench.bench.data.loading import Batch
from skipbench.bench.data.pixels import visible
from skipbench.bench.data.windows import inner, scale
from skipbench.bench.tasks import base
from skipbench.bench.tasks.base import Task, TaskError, register_task
from skipbench.bench.tasks.detection.head import (
    Detections,
    HeadOutput,
    Locations,
    decode,
    distances_inside,
    locate,
    suppress,
)
from skipbench.bench.tasks.detection.loss import assign, centre_ness, fcos_loss
from skipbench.bench.tasks.detection.metrics import DetectionScorer
from skipbench.bench.tasks.view import View, Window

__all__ = ["Detection", "DetectionOptions"]

SURE = 50.0  # a logit whose probability is 1 in float32
SHOWN_SCORE = 0.3  # of the least sure box in the artifact
SHOWN_BOXES = 20  # per image in the artifact
MERGED_BOXES = 20_000  # of all tiles, the surest: suppression takes time by the square of their number

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class DetectionOptions(base.Options):
    """How boxes are assigned to locations and how they are read; the defaults are FCOS's.

    `range_per_stride` decides which level learns which size. FCOS's 8 is meant for images of 800 px; where
    objects are a few of the finest level's strides long it leaves nothing to the coarser levels, and 4 uses
    them better.
    """

    range_per_stride: Positive = 8.0  # how far, in its strides, a level's boxes reach; the coarsest has no limit
    centre_radius: Positive = 1.5  # in strides: how far from a box's centre a location may learn it
    score_threshold: Fraction = 0.05  # of what is a candidate at all
    candidates: Annotated[int, Field(ge=1)] = 1000  # per image that suppression has to look at
    nms_iou: Fraction = 0.6  # above it the less sure of two boxes of a class goes


@register_task("detection")
class Detection(Task):
    """One of the dataset's objects in every box. All levels that the network gives are one prediction.

    The maps cover the whole image, each with a stride that follows from its size.
    """

    Options = DetectionOptions
    options: DetectionOptions
    annotation = Boxes
    scorers = (DetectionScorer,)
    in_own_pixels = True

    @property
    def factors(self) -> dict[str, Any]:
        """An FCOS head that reads every level, each of which is trained and given."""
        return {
            "classes": len(self.info[Boxes].names) + BOX_CHANNELS,
            "head": "fcos",
            "head_levels": "all",
            "head_stride": None,
            "supervision": "levels",
            "outputs": "levels",
        }

    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return FCOS's loss of the levels' maps (N, K + 5, h, w), coarse to fine. Raises TaskError."""
        output, locations = self._read(predictions)
        boxes, labels, ignored = (batch[key] for key in Boxes.keys)
        assignment = assign(locations, boxes, labels, ignored, self.options.centre_radius)
        return fcos_loss(output, locations, assignment)

    def neutral(self, logits: Tensor) -> Tensor:
        """Return FCOS's prior for every class, boxes that reach one stride to each side, and even centre-ness."""
        neutral = torch.zeros_like(logits)
        neutral[:, :-BOX_CHANNELS] = PRIOR_LOGIT
        return neutral

    def perfect(self, outputs: list[Tensor], batch: Batch) -> list[Tensor]:
        """Return maps that are sure of each location's box, and of none where none is assigned to it."""
        _, locations = self._read(outputs)
        boxes, labels, ignored = (batch[key] for key in Boxes.keys)
        targets = assign(locations, boxes, labels, ignored, self.options.centre_radius)
        distances = distances_inside(locations.points, targets.boxes).clamp(min=1e-6)
        classes = one_hot(targets.labels.clamp(min=-1) + 1, len(self.info[Boxes].names) + 1)[..., 1:]
        logs = (distances / locations.strides[:, None]).log()
        flat = torch.cat([SURE * (2.0 * classes - 1), logs, centre_ness(distances).logit(eps=1e-6)[..., None]], -1)
        levels = torch.split(flat.transpose(1, 2), [output.shape[2] * output.shape[3] for output in outputs], 2)
        return [level.reshape(output.shape) for level, output in zip(levels, outputs, strict=True)]

    def _read(self, maps: list[Tensor]) -> tuple[HeadOutput, Locations]:
        needed = self.factors["classes"]
        for wrong in (level for level in maps if level.shape[1] != needed):
            factors = ", ".join(f"{name}={value!r}" for name, value in self.factors.items())
            raise TaskError(
                f"the network predicts {wrong.shape[1]} channels where detecting {len(self.info[Boxes].names)} "
                f"classes needs {needed} at every level; build it with {factors}."
            )
        sizes = [(level.shape[2], level.shape[3]) for level in maps]
        locations = locate(sizes, self.info.size, self.options.range_per_stride, maps[0].device)
        return HeadOutput.of(maps), locations

    def detect(self, outputs: list[Tensor]) -> list[Detections]:
        """Return what a network's maps, coarse to fine, find in each image; or what `whole` has found in one.

        Raises TaskError.
        """
        if outputs[0].dim() == 3:
            (found,) = outputs[0]
            return [Detections(found[:, :4], found[:, 4].long(), found[:, 5])]
        return self._decoded(outputs, self.info.size)

    def _decoded(self, maps: list[Tensor], within: tuple[int, int]) -> list[Detections]:
        """Return what is found in each image, whose part of what is seen has the size `within`, in px of that."""
        options = self.options
        output, locations = self._read(maps)
        return decode(output, locations, within, options.score_threshold, options.candidates, options.nms_iou)

    def whole(self, view: View, outputs: Iterable[list[Tensor]]) -> list[Tensor]:
        """Return what is found in the image, (1, n, 6): x1, y1, x2, y2 in its px, the label and the score."""
        boxes, labels, scores = self._found(view, outputs)
        return [torch.cat([boxes, labels[:, None].to(boxes), scores[:, None]], 1)[None]]

    def artifact(self, outputs: list[Tensor], batch: Batch) -> predictions.Boxes:
        """Return true boxes, without the ignored ones, and the surest of the found ones."""
        surest = [
            Detections(*(value[image.scores >= SHOWN_SCORE][:SHOWN_BOXES] for value in image))
            for image in self.detect(outputs)
        ]
        boxes, labels, scores = (
            pad_sequence([image[part] for image in surest], batch_first=True, padding_value=empty)
            for part, empty in enumerate((0.0, -1.0, 0.0))
        )
        truth_labels = batch["labels"].long().masked_fill(batch["ignored"].bool(), -1)
        arrays = {
            "images": visible(batch["image"]).permute(0, 2, 3, 1),
            "truth_boxes": batch["boxes"],
            "truth_labels": truth_labels,
            "boxes": boxes,
            "labels": labels,
            "scores": scores,
        }
        numbers = {name: array.cpu().numpy() for name, array in arrays.items()}
        return predictions.Boxes(**numbers, classes=np.array(self.info[Boxes].names))

    def assemble(self, view: View, outputs: Iterable[list[Tensor]]) -> predictions.Boxes:
        """Return all that is found."""
        boxes, labels, scores = self._found(view, outputs)
        return predictions.Boxes(
            images=view.images,
            truth_boxes=np.zeros((1, 0, 4), np.float32),
            truth_labels=np.zeros((1, 0), np.int64),
            boxes=boxes[None].numpy(),
            labels=labels[None].numpy(),
            scores=scores[None].numpy(),
            classes=np.array(self.info[Boxes].names),
        )

    def _found(self, view: View, outputs: Iterable[list[Tensor]]) -> Detections:
        """Return what is found in an image; of what several windows find, suppression leaves the surest."""
        found = [self._placed(maps, window, view) for window, maps in zip(view.windows, outputs, strict=True)]
        joined = Detections(*map(torch.cat, zip(*found, strict=True)))
        if len(found) == 1:
            return joined
        surest = joined.scores.argsort(descending=True, stable=True)[:MERGED_BOXES]
        return suppress(Detections(*(value[surest] for value in joined)), self.options.nms_iou)

    def _placed(self, maps: list[Tensor], window: Window, view: View) -> Detections:
        """Return what is found in a window, in px of its image; nothing is found in padding."""
        within = inner(view.size, window, self.info.size)
        (found,) = self._decoded([level[None] for level in maps], within)
        if within != self.info.size:
            on_image = (found.boxes[:, 2:] > found.boxes[:, :2]).all(1)
            found = Detections(*(value[on_image] for value in found))
        along_y, along_x = scale(view.size, window, self.info.size)
        scales = found.boxes.new_tensor([along_x, along_y, along_x, along_y])
        corner = found.boxes.new_tensor([window.left, window.top, window.left, window.top])
        return found._replace(boxes=found.boxes * scales + corner)
