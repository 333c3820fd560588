"""From annotated objects, one by one, to a dataset: what of them is read, and the truth about each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skipbench.bench.data.annotations import (
    IGNORE_INDEX,
    Annotation,
    Boxes,
    Instances,
    Joints,
    Keypoints,
    Mask,
    Objects,
)
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.instances import Instance

Kind = Literal["boxes", "masks", "keypoints"]
Crowds = Literal["ignored", "objects"]
_ALL = 0.9  # of all objects, more than which are no crowds
KINDS: tuple[Kind, ...] = ("boxes", "masks", "keypoints")
_FIELDS: dict[Kind, str] = {"boxes": "corners", "masks": "mask", "keypoints": "joints"}
_WITHOUT_MASK = "{} object(s) have no mask; in masks, pixels of their boxes that show no other object are ignored"
_WITHOUT_BOX = "{} object(s) have no box and are left out of the boxes"
_JOINTS_OF_OTHERS = "{} object(s) have keypoints of another category and are read without them"


@dataclass(frozen=True)
class Shown:
    """An image, and the objects on it."""

    split: str
    name: str
    path: Path
    source: Path  # the file that annotates it
    instances: tuple[Instance, ...]
    upright: bool | None = (
        None  # whether its file is turned as its EXIF orientation says; None: as it is found to be
    )


@dataclass(frozen=True)
class Wanted:
    """What of the objects is read; None where it is to be found out."""

    names: tuple[str, ...]  # of the classes
    kinds: frozenset[Kind] | None = None
    joints: Joints | None = None
    people: frozenset[str] | None = None  # the categories whose keypoints are read; None for all
    crowds: Crowds | None = None


def assemble(found: Found, images: Sequence[Shown], wanted: Wanted) -> None:
    """Add to `found` what is annotated and an entry for each of the images."""
    every = [instance for image in images for instance in image.instances]
    kinds = wanted.kinds or kinds_in(found, every)
    crowds = _crowds(found, every, wanted.crowds)
    annotations = found.annotations
    if "masks" in kinds:
        background = "background" if "background" not in wanted.names else "no object"
        annotations.append(Mask.of(dict(enumerate((background, *wanted.names))), frozenset({IGNORE_INDEX})))
        found.notes.append(f"Pixels of no object are their own class, '{background}'.")
    if "boxes" in kinds and wanted.names:
        annotations += [Instances(), Boxes(wanted.names)] if "masks" in kinds else [Boxes(wanted.names)]
    if "keypoints" in kinds and wanted.joints:
        annotations.append(wanted.joints)
    unused = 0
    for image in images:
        objects = _objects(found, image, kinds, wanted.names, crowds)
        truth: dict[type[Annotation], Any] = {type(each): objects for each in annotations}
        if wanted.joints and Joints in truth:
            truth[Joints] = _keypoints(found, image, len(wanted.joints.names), wanted.people)
        if kinds == {"keypoints"} and not (Joints in truth and len(truth[Joints].joints)):
            unused += 1
            continue
        found.entries.append(Entry(image.split, image.name, image.path, image.source, truth, image.upright))
    if unused:
        found.notes.append(f"{unused:,} image(s) without an annotated keypoint are not used.")


def kinds_in(found: Found, every: Sequence[Instance]) -> frozenset[Kind]:
    """Return what can be read: boxes and keypoints where there are some, masks where most objects have one."""
    counts = {kind: sum(getattr(each, _FIELDS[kind]) is not None for each in every) for kind in KINDS}
    some = {kind for kind in KINDS if counts[kind]}
    if "masks" in some and 2 * counts["masks"] <= len(every):
        found.notes.append(
            f"Only {counts['masks']:,} of {len(every):,} objects have a mask, so masks are not read; "
            "data.read=[masks] reads them."
        )
        some.remove("masks")
    return frozenset(some)


def _crowds(found: Found, every: Sequence[Instance], wanted: Crowds | None) -> Crowds:
    """Return what crowds are; where nearly all objects are marked so, it is a tool's way to write any mask."""
    crowds = sum(each.crowd for each in every)
    chosen = wanted or ("objects" if crowds > _ALL * len(every) else "ignored")
    if crowds:
        other = "objects" if chosen == "ignored" else "ignored"
        means = "neither to be found nor wrong to be found" if chosen == "ignored" else "objects like any other"
        found.notes.append(
            f"{crowds:,} of {len(every):,} objects are marked as crowds (iscrowd) and are {means}; "
            f"data.crowds={other} reads them otherwise."
        )
    return chosen


def _objects(found: Found, image: Shown, kinds: frozenset[Kind], names: tuple[str, ...], crowds: Crowds) -> Objects:
    usable = [instance for instance in image.instances if instance.corners is not None]
    for _ in range(len(image.instances) - len(usable) if "boxes" in kinds else 0):
        found.counted.add(_WITHOUT_BOX, image.name)
    for instance in usable if "masks" in kinds else ():
        if instance.mask is None:
            found.counted.add(_WITHOUT_MASK, image.name)
    return Objects(
        np.array([instance.corners for instance in usable], np.float64).reshape(-1, 4),
        np.array([names.index(instance.category) for instance in usable], np.int64),
        np.array([instance.crowd and crowds == "ignored" for instance in usable], bool),
        tuple(instance.mask for instance in usable) if "masks" in kinds else None,
    )


def _keypoints(found: Found, image: Shown, joints: int, people: frozenset[str] | None) -> Keypoints:
    annotated = [each for each in image.instances if each.joints is not None and each.joints[:, 2].any()]
    mine = [each for each in annotated if people is None or each.category in people]
    for _ in range(len(annotated) - len(mine)):
        found.counted.add(_JOINTS_OF_OTHERS, image.name)
    points = np.array([each.joints for each in mine], np.float64).reshape(-1, joints, 3)
    visibility = points[..., 2].astype(np.int64)
    return Keypoints(np.where(visibility[..., None] > 0, points[..., :2] + 0.5, np.nan), visibility)
