"""Joints of people or animals."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.utils import draw_keypoints

from skipbench.bench.data.annotations.base import (
    Annotation,
    Array,
    Batch,
    Colour,
    Key,
    Picture,
    Sample,
    Seen,
    register_annotation,
)
from skipbench.bench.data.findings import Problem
from skipbench.bench.data.geometry import Field, inside

_WHITE = (255, 255, 255)  # of bones


@dataclass(frozen=True)
class Keypoints:
    """The truth about the joints of the people on one image, in pixels of its file."""

    joints: Array  # (P, J, 2) float x, y; NaN: not annotated
    visibility: Array  # (P, J) int: 0 not annotated or outside the image, 1 hidden, 2 visible


@register_annotation("joints")
@dataclass(frozen=True)
class Joints(Annotation):
    """The places of J joints, the `names`, of each of the P people on an image; its truth is its Keypoints."""

    keys: ClassVar[Mapping[str, Key]] = {
        "joints": Key(torch.float32, math.nan),  # (P, J, 2) x, y in px; NaN: not annotated
        "visibility": Key(torch.uint8, 0),  # (P, J): 0 not annotated or outside the image, 1 hidden, 2 visible
    }
    plural: ClassVar[str] = "joints"
    names_are: ClassVar[str] = "joints"
    legend: ClassVar[str] = "joints"
    tallied: ClassVar[str] = "joints"
    letters: ClassVar[bool] = True

    bones: tuple[tuple[int, int], ...] = ()  # pairs of joints to draw a line between
    reference: tuple[int, int] | None = None  # the joints whose distance is a person's length

    @property
    def facts(self) -> dict[str, Any]:
        """Return in words what a person's length is, and the bones."""
        length = "longer side of the joints' box"
        if self.reference is not None:
            length = "distance from {} to {}".format(*(self.names[joint] for joint in self.reference))
        return {"reference": length, "bones": [list(bone) for bone in self.bones]}

    @classmethod
    def recalled(cls, names: tuple[str, ...], facts: Mapping[str, Any]) -> "Joints":
        """Return joints with their bones; records of before these were kept have none."""
        return cls(names, bones=tuple((start, end) for start, end in facts.get("bones", [])))

    def exchanged(self, batch: Batch) -> Batch:
        """Return left joints in the places of right ones."""
        return {key: batch[key][:, :, list(self.sides.partners)] for key in self.keys}

    def movable(self, batch: Batch, size: tuple[int, int]) -> dict[str, Any]:
        """Return the joints as boxes without extent."""
        corners = torch.cat([batch["joints"], batch["joints"]], -1).reshape(-1, 4)
        return {"joints": tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=size, clamping_mode=None)}

    def moved(self, values: Batch, batch: Batch, size: tuple[int, int]) -> Batch:
        """Return the joints; one that leaves the image becomes invisible."""
        joints = values["joints"][:, :2].reshape(batch["joints"].shape)
        return {"joints": joints, "visibility": batch["visibility"] * inside(joints, size)}

    def bent(self, batch: Batch, field: Field) -> Batch:
        """Return the joints; those that leave the image become invisible, those that are lost not annotated."""
        joints = field.move(batch["joints"].flatten(1, 2)).view_as(batch["joints"])
        return {"joints": joints, "visibility": batch["visibility"] * inside(joints, field.size)}

    def unpadded(self, sample: Sample) -> Sample:
        """Return the people of whom a joint is seen."""
        return {key: sample[key][(sample["visibility"] > 0).any(1)] for key in self.keys}

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield that joints and visibility do not match, or that one outside the image counts as seen."""
        joints, visibility = sample["joints"], sample["visibility"]
        if joints.shape != (*visibility.shape, 2) or visibility.shape[1:] != (len(self.names),):
            yield (
                f"'joints' {tuple(joints.shape)} and 'visibility' {tuple(visibility.shape)} do not match; "
                f"expected (P, {len(self.names)}, 2) and (P, {len(self.names)})"
            )
        elif visibility.gt(2).any():
            yield (
                f"'visibility' contains {int(visibility.max())}; "
                "expected 0 (not annotated), 1 (hidden) or 2 (visible)"
            )
        elif not torch.equal(visibility > 0, inside(joints, size)):
            yield "a joint outside the image, or not annotated, has a visibility above 0, or one inside has 0"

    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Draw the bones in white, and on them each joint in its own colour, a hidden one smaller."""
        joints, visibility = sample["joints"].nan_to_num() * factor, sample["visibility"]
        if not len(joints):
            return image
        seen = visibility > 0
        image = draw_keypoints(image, joints, list(self.bones), _WHITE, radius=1, width=2, visibility=seen)
        for joint, name in enumerate(self.names):
            for state, radius in ((1, 2), (2, 4)):
                seen = visibility[:, joint : joint + 1] == state
                point = joints[:, joint : joint + 1]
                image = draw_keypoints(image, point, colors=colours[name], radius=radius, visibility=seen)
        return image

    def examined(self, truth: Keypoints, picture: Picture) -> Seen:
        """Mark joints outside the image as not seen; the facts are how many there are."""
        with np.errstate(invalid="ignore"):
            within = ((truth.joints >= 0) & (truth.joints < [picture.width, picture.height])).all(-1)
        outside = int(((truth.visibility > 0) & ~within).sum())
        return Seen(replace(truth, visibility=truth.visibility * within), outside)

    def shows(self, seen: Seen) -> bool:
        """Return whether an image has an annotated joint."""
        return bool(seen.truth.visibility.any())

    def lacking(self, seen: Sequence[Seen]) -> Iterator[Problem]:
        """Yield that there is no joint at all."""
        if not any(image.truth.visibility.any() for image in seen):
            yield Problem("", "contains no annotated joint")

    def notes(self, seen: Sequence[Seen]) -> Iterator[str]:
        """Yield how many joints lie outside their image."""
        outside = sum(image.facts for image in seen)
        if outside:
            yield f"{outside:,} annotated joint(s) lie outside their image and are treated as not annotated."

    def tally(self, seen: Sequence[Seen]) -> dict[str, int]:
        """Return the annotated joints of each name."""
        counts = Counter(joint for image in seen for joint in image.truth.visibility.nonzero()[1].tolist())
        return {name: counts[joint] for joint, name in enumerate(self.names)}

    def read(self, truth: Keypoints, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the joints in px of an image of `size`."""
        return {
            "joints": torch.from_numpy(truth.joints * picture.scale(size)).float(),
            "visibility": torch.from_numpy(truth.visibility.astype(np.uint8)),
        }
