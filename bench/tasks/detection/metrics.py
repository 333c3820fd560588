"""Average precision and recall as COCO defines them, by faster-coco-eval."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from skipbench.bench.data import Boxes
from skipbench.bench.data.loading import Batch
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Breakdown, percentage
from skipbench.bench.tasks.base import Scorer, Tables
from skipbench.bench.tasks.detection.head import MAX_DETECTIONS, Detections
from skipbench.bench.tasks.matching import rows

if TYPE_CHECKING:
    from skipbench.bench.tasks.detection import Detection

Annotation = dict[str, Any]  # one box as a COCO file has it


def _by_size(prefix: str) -> Breakdown:
    return Breakdown("object size", prefix, SIZES, "Objects, by the square root of their box's area")


class DetectionScorer(Scorer):
    """AP and AR over all images of a split; a box's size is the square root of its area, against `info.limits`.

    Ignored boxes are COCO's crowds: not finding one is no miss, and boxes that lie in one are no mistake.
    """

    scores = (
        percentage("ap", "AP", Breakdown("class", "ap/"), _by_size("ap_by_size/")),
        percentage("ap50", "AP50"),
        percentage("ap75", "AP75"),
        percentage("ar100", "AR@100", _by_size("ar_by_size/")),
        percentage("ar1000", "AR@1000", _by_size("ar1000_by_size/")),
    )

    def __init__(self, task: "Detection", device: torch.device) -> None:
        super().__init__(task, device)
        self._info, self._decode = task.info, task.detect
        self._images = 0
        self._truth: list[Annotation] = []
        self._found: list[Annotation] = []
        self._evaluator: COCOeval_faster | None = None  # of what has been taken in so far

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in the head's maps, coarse to fine, and "boxes" (N, M, 4), "labels" and "ignored" (N, M)."""
        self.add(self._decode(outputs), batch)

    def add(self, detections: list[Detections], batch: Batch) -> None:
        """Take in what was found in each image of a batch."""
        self._evaluator = None
        truths = zip(batch["boxes"], batch["labels"].long(), batch["ignored"], strict=True)
        for detection, (boxes, labels, ignored) in zip(detections, truths, strict=True):
            self._images += 1
            real = labels >= 0
            self._truth += self._annotations(boxes[real], labels[real], iscrowd=ignored[real].int())
            self._found += self._annotations(detection.boxes, detection.labels, score=detection.scores)

    def _annotations(self, boxes: Tensor, labels: Tensor, **more: Tensor) -> Iterable[Annotation]:
        """Yield the boxes (n, 4) of the newest image, each with its value of `more`."""
        columns = (values.tolist() for values in (boxes, labels, *more.values()))
        for (x1, y1, x2, y2), label, *rest in zip(*columns, strict=True):
            width, height = x2 - x1, y2 - y1
            place = {"image_id": self._images, "bbox": [x1, y1, width, height], "area": width * height}
            yield place | {"category_id": label} | dict(zip(more, rest, strict=True))

    def compute(self) -> dict[str, float]:
        """Return AP over IoU .50 to .95, at .50 and at .75, and AR over IoU .50 to .95.

        AP is that of the 100 surest boxes of an image and a class, as COCO has it; AR of 100 and of 1,000.
        """
        evaluator = self._evaluated()
        evaluator.accumulate()
        precisions, recalls = evaluator.eval["precision"], evaluator.eval["recall"]
        # (IoU, recall, class, size, most), (IoU, class, size, most)
        precision, recall, every_recall = precisions[..., 0], recalls[..., 0], recalls[..., 1]
        values = {
            "ap": precision[..., 0],
            "ap50": precision[0, ..., 0],
            "ap75": precision[5, ..., 0],
            **{f"ap/{name}": precision[:, :, k, 0] for k, name in enumerate(self._info[Boxes].names)},
            **{f"ap_by_size/{name}": precision[..., 1 + size] for size, name in enumerate(SIZES)},
            "ar100": recall[..., 0],
            **{f"ar_by_size/{name}": recall[..., 1 + size] for size, name in enumerate(SIZES)},
            "ar1000": every_recall[..., 0],
            **{f"ar1000_by_size/{name}": every_recall[..., 1 + size] for size, name in enumerate(SIZES)},
        }
        defined = {name: numbers[numbers >= 0] for name, numbers in values.items()}  # -1: nothing to be found there
        return {name: float(numbers.mean()) for name, numbers in defined.items() if numbers.size}

    def absent(self) -> list[str]:
        """Return the objects of which no box is to be found."""
        seen = {box["category_id"] for box in self._truth if not box["iscrowd"]}
        return [name for label, name in enumerate(self._info[Boxes].names) if label not in seen]

    def per_image(self) -> Tables:
        """Return all "detections", the surest of an image and class first, and the number of true boxes, "truths".

        The bits of "right" and "neutral" stand for the IoU .50, .55 ... .95, from the lowest: at which a detection
        has a box of its own, and at which it lies in an ignored one. All but the scores by size follow from them.
        """
        names = np.array(self._info[Boxes].names)
        found = rows(self._found, self._truth, self._evaluated().ious)
        real = [(box["image_id"] - 1, box["category_id"]) for box in self._truth if not box["iscrowd"]]
        places, boxes = np.unique(np.array(real, np.int64).reshape(-1, 2), axis=0, return_counts=True)
        return {
            "detections": {"image": found.pop("image"), "class": names[found.pop("category")], **found},
            "truths": {"image": places[:, 0], "class": names[places[:, 1]], "boxes": boxes},
        }

    def _evaluated(self) -> COCOeval_faster:
        if self._evaluator is None:
            self._evaluator = COCOeval_faster(self._dataset(self._truth), self._dataset(self._found), "bbox")
            self._evaluator.params.areaRngLbl = ["all", *SIZES]
            self._evaluator.params.areaRng = area_ranges(self._info.limits)
            self._evaluator.params.maxDets = [100, MAX_DETECTIONS]
            self._evaluator.evaluate()
        return self._evaluator

    def _dataset(self, annotations: list[Annotation]) -> COCO:
        return COCO(
            {
                "images": [{"id": image} for image in range(1, self._images + 1)],
                "categories": [{"id": k, "name": name} for k, name in enumerate(self._info[Boxes].names)],
                "annotations": [{"id": n, **each} for n, each in enumerate(annotations, start=1)],
            }
        )


def area_ranges(limits: tuple[float, float]) -> list[list[float]]:
    """Return the least and largest area (px^2) of all boxes, and of small, medium and large ones.

    COCO's ranges hold both their ends; here a box as large as a limit belongs to the larger size alone.
    """
    medium, large = (limit**2 for limit in limits)
    return [
        [0.0, math.inf],
        [0.0, math.nextafter(medium, 0.0)],
        [medium, math.nextafter(large, 0.0)],
        [large, math.inf],
    ]
