"""Objects on an image: the boxes around them, and which one each pixel shows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from faster_coco_eval.core import mask as run_lengths
from torch import Tensor
from torchvision import tv_tensors
from torchvision.utils import draw_bounding_boxes

from skipbench.bench.data.annotations.base import (
    Annotation,
    Array,
    Batch,
    Colour,
    Key,
    Picture,
    PixelMap,
    Sample,
    Seen,
    register_annotation,
)
from skipbench.bench.data.findings import Problem
from skipbench.bench.data.geometry import resize_labels

RunLengths = dict[str, Any]  # a mask as COCO's API has it: {"size": [H, W], "counts": bytes}
_MIN_AREA_LEFT = 1 / 4  # of its area; a box of which a crop leaves less is dropped
_MIN_SIDE = 1.0  # px; and so is one that is narrower
_THINNEST = 1.0  # px; in a file, a box of at most this width or height is a slip of the hand
_GREY = (150, 150, 150)  # of ignored boxes
_MAX_INSTANCES = 255  # what uint8 can number


@dataclass(frozen=True)
class Objects:
    """The truth about the objects on one image, in pixels of its file."""

    corners: Array  # (n, 4) float x1, y1, x2, y2
    labels: Array  # (n,) int, indices into the names of the dataset's boxes
    ignored: Array  # (n,) bool
    masks: tuple[RunLengths | None, ...] | None = None  # of each object, where they are read; None: not known

    def kept(self, keep: Array) -> "Objects":
        """Return the objects where `keep` (n,) is true."""
        masks = None if self.masks is None else tuple(np.array(self.masks, object)[keep])
        return Objects(self.corners[keep], self.labels[keep], self.ignored[keep], masks)

    def clipped(self, picture: Picture) -> Seen:
        """Return the objects that are worth keeping, their boxes cut at the image's borders."""
        inside = np.clip(self.corners, 0, [picture.width, picture.height] * 2)
        keep = np.all(inside[:, 2:] - inside[:, :2] > _THINNEST, 1)
        left = (inside != self.corners).any(1) & keep
        return Seen(replace(self, corners=inside).kept(keep), Clipped(int(left.sum()), int((~keep).sum())))

    def owners(self, picture: Picture) -> Array:
        """Return for each pixel (H, W) 1 + the number of the object that it shows, 0 where it shows none.

        Where objects overlap the smaller one is on top, an ignored one at the bottom, and below it the box of one
        whose mask is not known.
        """
        owners = np.zeros((picture.height, picture.width), np.int32)
        masks = self.masks or ()
        for number in self.unmasked.nonzero()[0].tolist():
            left, top, right, bottom = self.corners[number].round().astype(int)
            owners[top:bottom, left:right] = number + 1
        known = [(number, mask) for number, mask in enumerate(masks) if mask is not None]
        areas = {number: int(run_lengths.area(mask)) for number, mask in known}
        for number, mask in sorted(known, key=lambda each: (not self.ignored[each[0]], -areas[each[0]])):
            owners[run_lengths.decode(mask).astype(bool)] = number + 1
        return owners

    @property
    def unmasked(self) -> Array:
        """Whether the mask of each object is not known, though others are, (n,) bool."""
        return np.array([mask is None for mask in self.masks or ()], bool)


class Clipped(NamedTuple):
    """How many boxes of an image reached beyond it, and how many were dropped as at most a line is left of them."""

    left: int
    dropped: int


def clipping_notes(seen: Iterable[Seen]) -> Iterator[str]:
    """Yield how many of all boxes were clipped or dropped."""
    every = list(seen)
    left, dropped = sum(image.facts.left for image in every), sum(image.facts.dropped for image in every)
    total = dropped + sum(len(image.truth.labels) for image in every)
    if left:
        yield f"{left:,} of {total:,} boxes extended beyond their image and were clipped."
    if dropped:
        yield (
            f"{dropped:,} of {total:,} boxes were dropped: inside the image they are at most "
            f"{_THINNEST:g} px wide or high."
        )


@register_annotation("boxes")
@dataclass(frozen=True)
class Boxes(Annotation):
    """The objects on an image, each with its box, its class (an index into `names`), and whether it is ignored.

    An ignored one is neither to be found nor wrong to be found: a crowd, or marked as difficult. The truth about
    an image is its Objects.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "boxes": Key(torch.float32, 0.0),  # (n, 4) x1, y1, x2, y2 in px
        "labels": Key(torch.int64, -1),  # (n,)
        "ignored": Key(torch.bool, 0),  # (n,)
    }
    plural: ClassVar[str] = "boxes"
    names_are: ClassVar[str] = "objects"
    legend: ClassVar[str] = "classes"
    tallied: ClassVar[str] = "boxes"
    unbendable: ClassVar[str] = (
        "boxes, which would no longer be boxes; leave out recipe.augmentation.elastic for detection"
    )

    def exchanged(self, batch: Batch) -> Batch:
        """Return the labels with left and right exchanged."""
        labels = batch["labels"]
        for index, partner in self.sides.exchanged:
            labels = labels.masked_fill(batch["labels"] == index, partner)
        return {"labels": labels}

    def movable(self, batch: Batch, size: tuple[int, int]) -> dict[str, Any]:
        """Return the corners of all boxes as one list of boxes."""
        corners = batch["boxes"].reshape(-1, 4)
        return {"boxes": tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=size, clamping_mode=None)}

    def moved(self, values: Batch, batch: Batch, size: tuple[int, int]) -> Batch:
        """Return the boxes clipped to the image; one of which little is left becomes padding."""
        height, width = size
        whole = values["boxes"].reshape(batch["boxes"].shape)
        clipped = whole.clamp(min=0)
        clipped = torch.minimum(clipped, clipped.new_tensor([width, height, width, height]))
        lengths, whole_lengths = (corners[..., 2:] - corners[..., :2] for corners in (clipped, whole))
        left = (lengths.prod(-1) >= _MIN_AREA_LEFT * whole_lengths.prod(-1)) & (lengths.amin(-1) >= _MIN_SIDE)
        return {
            "boxes": clipped * left[..., None],
            "labels": batch["labels"].masked_fill(~left, -1),
            "ignored": batch["ignored"] & left,
        }

    def unpadded(self, sample: Sample) -> Sample:
        """Return the boxes that have a label."""
        return {key: sample[key][sample["labels"] >= 0] for key in self.keys}

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield that boxes, labels and ignored differ in number, or that a box is empty or leaves the image."""
        boxes, labels, ignored = (sample[key] for key in self.keys)
        if boxes.shape != (len(labels), 4) or labels.shape != ignored.shape:
            shapes = ", ".join(f"'{key}' {tuple(sample[key].shape)}" for key in self.keys)
            yield f"{shapes} do not match; expected (n, 4), (n,) and (n,)"
            return
        if ((labels < 0) | (labels >= len(self.names))).any():
            yield f"'labels' contains {labels.tolist()}; expected 0 to {len(self.names) - 1}"
        inside = (boxes >= 0) & (boxes <= boxes.new_tensor([size[1], size[0]] * 2))
        for box in boxes[~(inside.all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1))].tolist():
            yield f"the box {box} has no area, or extends beyond the image of {size[1]}x{size[0]} px"

    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Draw each box in its class's colour with the class's name; an ignored one is grey."""
        if not len(sample["boxes"]):
            return image
        names = [self.names[label] for label in sample["labels"].tolist()]
        ignored = sample["ignored"].tolist()
        drawn: Tensor = draw_bounding_boxes(
            image,
            sample["boxes"] * factor,
            [name + " (ignored)" * skip for name, skip in zip(names, ignored, strict=True)],
            [_GREY if skip else colours[name] for name, skip in zip(names, ignored, strict=True)],
            width=2,
            fill_labels=True,
        )
        return drawn

    def examined(self, truth: Objects, picture: Picture) -> Seen:
        """Clip the boxes to the image, and drop those of which at most a line is left."""
        return truth.clipped(picture)

    def shows(self, seen: Seen) -> bool:
        """Return whether an image has a box that is to be found."""
        return bool((~seen.truth.ignored).any())

    def lacking(self, seen: Sequence[Seen]) -> Iterator[Problem]:
        """Yield that there is no box at all."""
        if not any(len(image.truth.labels) for image in seen):
            why = "".join(f": {note.rstrip('.')}" for note in clipping_notes(seen))
            yield Problem("", f"contains no usable box{why}")

    def notes(self, seen: Sequence[Seen]) -> Iterator[str]:
        """Yield how many boxes were clipped or dropped."""
        yield from clipping_notes(seen)

    def tally(self, seen: Sequence[Seen]) -> dict[str, int]:
        """Return the boxes of each class."""
        counts = Counter(label for image in seen for label in image.truth.labels.tolist())
        return {name: counts[label] for label, name in enumerate(self.names)}

    def read(self, truth: Objects, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the boxes in px of an image of `size`."""
        return {
            "boxes": torch.from_numpy(truth.corners * np.tile(picture.scale(size), 2)).float(),
            "labels": torch.from_numpy(truth.labels.astype(np.int64)),
            "ignored": torch.from_numpy(truth.ignored.copy()),
        }


@register_annotation("instances")
class Instances(PixelMap):
    """For each pixel 0, or k where it shows the object of the k-th box. The truth about an image is its Objects.

    An image with more than 255 objects numbers only the first 255.
    """

    keys: ClassVar[Mapping[str, Key]] = {"instances": Key(torch.uint8)}
    plural: ClassVar[str] = "masks of single objects"

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield that it has another size, or numbers an object that has no box."""
        yield from super().flaws(sample, size)
        if "boxes" in sample and sample["instances"].max() > len(sample["boxes"]):
            yield f"'instances' numbers object {int(sample['instances'].max())} of {len(sample['boxes'])} boxes"

    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Return the image as it is: boxes and mask show the objects."""
        return image

    def examined(self, truth: Objects, picture: Picture) -> Seen:
        """Leave out the objects whose boxes are dropped."""
        return truth.clipped(picture)

    def read(self, truth: Objects, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the objects' numbers at `size`."""
        owners = truth.owners(picture)
        owners[np.array([False, *truth.unmasked])[owners]] = 0
        numbers = np.where(owners <= _MAX_INSTANCES, owners, 0).astype(np.uint8)
        return {"instances": resize_labels(torch.from_numpy(numbers), size)}
