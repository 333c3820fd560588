"""From an entry to a sample: decoded, resized, its boxes and joints scaled along."""

from collections.abc import Sequence

import numpy as np
import torch
from faster_coco_eval.core import mask as run_lengths
from torch import Tensor

from bench.data.base import IGNORED, Sample, resize_labels
from bench.data.files.entry import Array, Boxes, Entry
from bench.data.files.labels import Labels
from bench.data.files.pixels import FileError, Stamp, as_tensor, decode, decode_mask, stamp

_MOST_INSTANCES = 255  # what uint8 can number


class Reader:
    """Makes the samples of a list of entries; `labels` say what masks mean, `stamps` which files were checked."""

    def __init__(
        self,
        entries: Sequence[Entry],
        stamps: Sequence[Sequence[Stamp]],
        size: tuple[int, int],
        upright: bool,
        labels: Labels,
        with_boxes: bool,
    ) -> None:
        self._entries = entries
        self._stamps = stamps
        self._size = size
        self._upright = upright
        self._lookup = labels.lookup()
        self._ignore_index = labels.ignore_index
        self._with_boxes = with_boxes

    def __call__(self, index: int) -> Sample:
        """Return the sample of the entry at `index`. Raises FileError, also where a file is not the checked one."""
        entry = self._entries[index]
        image = decode(entry.image, self._upright)
        scale = np.array([self._size[1] / image.width, self._size[0] / image.height])
        sample = {"image": as_tensor(image, self._size)}
        if entry.mask is not None:
            sample["mask"] = self._resized(self._lookup[decode_mask(entry.mask, self._upright)])
        if entry.boxes is not None:
            sample |= self._of_boxes(entry.boxes, (image.height, image.width), np.tile(scale, 2))
        if entry.figures is not None:
            sample["joints"] = torch.from_numpy(entry.figures.joints * scale).float()
            sample["visibility"] = torch.from_numpy(entry.figures.visibility.astype(np.uint8))
        for path, checked in zip(filter(None, (entry.image, entry.mask)), self._stamps[index], strict=True):
            if stamp(path) != checked:  # only now, so that it holds for what has been read
                raise FileError(path, "has changed since the data were checked: start again")
        return sample

    def _of_boxes(self, boxes: Boxes, shape: tuple[int, int], scale: Array) -> Sample:
        sample: Sample = {}
        if boxes.masks is not None:
            classes, instances = paint(boxes, shape, self._ignore_index)
            sample["mask"] = self._resized(classes)
            if self._with_boxes:
                sample["instances"] = self._resized(instances)
        if self._with_boxes:
            sample["boxes"] = torch.from_numpy(boxes.corners * scale).float()
            sample["labels"] = torch.from_numpy(boxes.labels.astype(np.int64))
            sample["ignored"] = torch.from_numpy(boxes.ignored.copy())
        return sample

    def _resized(self, labels: Array) -> Tensor:
        return resize_labels(torch.from_numpy(labels), self._size)


def paint(boxes: Boxes, shape: tuple[int, int], ignore_index: int = IGNORED) -> tuple[Array, Array]:
    """Return the masks of classes (0 background, 1 + label; ignored `ignore_index`) and of instances, (H, W).

    Where objects overlap the smaller one is on top, an ignored one at the bottom. An image with more than 255
    objects numbers only the first 255 in the mask of instances.
    """
    classes = np.zeros(shape, np.uint8 if ignore_index <= IGNORED else np.int32)
    instances = np.zeros(shape, np.uint8)
    masks = boxes.masks or ()
    areas = [int(run_lengths.area(mask)) for mask in masks]
    for k in sorted(range(len(masks)), key=lambda k: (not boxes.ignored[k], -areas[k])):
        inside = run_lengths.decode(masks[k]).astype(bool)
        classes[inside] = ignore_index if boxes.ignored[k] else 1 + boxes.labels[k]
        instances[inside] = k + 1 if k < _MOST_INSTANCES else 0
    return classes, instances
