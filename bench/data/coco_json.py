"""What COCO's JSON files say: images, categories and annotations, each checked on the way in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from skipbench.bench.data.annotations import Array, RunLengths
from skipbench.bench.data.pixels import FileError, Problem
from skipbench.display import first_line

_LISTS = ("images", "annotations", "categories")
_SINGULAR = dict(zip(_LISTS, ("image", "annotation", "category"), strict=True))
MAX_PIXELS = 1 << 28  # of one image; Pillow takes fewer than that for an attack
MAX_COORDINATE = 1e9  # px; no image is this large, and larger whole numbers may have no float


@dataclass(frozen=True)
class Instance:
    """An annotated object; what it does not have is None."""

    category: int
    crowd: bool
    corners: Array | None  # (4,) x1, y1, x2, y2
    mask: RunLengths | None
    joints: Array | None  # (J, 3) x, y, and 0 not annotated, 1 hidden, 2 visible; x and y count pixels from 0

    def merged(self, other: "Instance | None") -> "Instance":
        """Return this with what only `other` has."""
        if other is None:
            return self
        mine = vars(self)
        return Instance(**{key: value if mine[key] is None else mine[key] for key, value in vars(other).items()})


@dataclass(frozen=True)
class Category:
    """A class of objects, and the joints of its people where it has some."""

    name: str
    joints: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()

    def difference(self, other: "Category") -> str:
        """Return in words why the two cannot be one, "" if they can; a file of boxes need not name the joints."""
        if self.name != other.name:
            return f"is '{other.name}'"
        return "has other keypoints" if self.joints and other.joints and self.joints != other.joints else ""


@dataclass(frozen=True)
class Image:
    """An image by its annotation file."""

    name: str
    size: tuple[int, int]  # (width, height)
    source: Path


@dataclass
class Content:
    """All that the files of one split say; what several files say of one annotation is merged."""

    with_masks: bool = True  # to rasterise polygons takes most of the time
    images: dict[int, Image] = field(default_factory=dict)
    categories: dict[int, Category] = field(default_factory=dict)
    instances: dict[int, dict[int, Instance]] = field(default_factory=dict)  # image id -> annotation id -> what

    def add(self, path: Path) -> list[str]:
        """Take in a file and return all that is wrong with it, in words. Raises FileError where all of it is."""
        content = _load(path)
        seen: set[Any] = set()  # annotation ids of this file
        takers: dict[str, Callable[[Any], None]] = {
            "categories": self._add_category,
            "images": partial(self._add_image, path),
            "annotations": partial(self._add_annotation, seen),
        }
        return [
            f"{_SINGULAR[key]} {_id(item)} {words}"
            for key, take in takers.items()
            for item in content.pop(key)  # so that what is taken in need not be kept
            if (words := _attempt(take, item))
        ]

    def _add_category(self, content: dict[str, Any]) -> None:
        if type(content["id"]) is not int:
            raise ValueError("has an id that is not a whole number")
        category = _category(content)
        known = self.categories.setdefault(content["id"], category)
        if difference := category.difference(known):
            raise ValueError(f"('{category.name}') {difference} elsewhere in the split")
        self.categories[content["id"]] = known if known.joints else category

    def _add_image(self, path: Path, content: dict[str, Any]) -> None:
        image = Image(str(content["file_name"]), (int(content["width"]), int(content["height"])), path)
        if not (min(image.size) > 0 and image.size[0] * image.size[1] <= MAX_PIXELS):
            raise ValueError(f"states {image.size[0]:.4g}x{image.size[1]:.4g} pixels, which is not a valid size")
        known = self.images.setdefault(content["id"], image)
        if known.name != image.name:
            raise ValueError(f"is both {known.name} and {image.name}; expected a unique id for each image")
        if known is not image and known.source == path:
            raise ValueError(f"({image.name}) is a duplicate")

    def _add_annotation(self, seen: set[Any], content: dict[str, Any]) -> None:
        number, image, category = content["id"], content["image_id"], content["category_id"]
        if image not in self.images:
            raise ValueError(f"is on image {image}, which the file does not list")
        if category not in self.categories:
            raise ValueError(f"is of category {category}, which the file does not list")
        if number in seen:
            raise ValueError("has a duplicate id")
        seen.add(number)
        joints = len(self.categories[category].joints)
        instance = as_instance(content, self.images[image].size, joints, self.with_masks)
        known = self.instances.setdefault(image, {})
        known[number] = instance.merged(known.get(number))


def read_contents(
    root: Path, splits: dict[Path, str], with_masks: bool
) -> tuple[dict[str, Content], list[Problem], list[Path]]:
    """Return what the files of each split say, all that is wrong, and the files that could be read."""
    contents: dict[str, Content] = {}
    problems, files = [], []
    for path, split in splits.items():
        place = path.relative_to(root).as_posix()
        try:
            reasons = contents.setdefault(split, Content(with_masks)).add(path)
        except FileError as error:
            problems.append(error.problem(root))
            continue
        problems += [Problem(place, reason) for reason in reasons]
        files.append(path)
    return contents, problems, files


def _attempt(take: Callable[[Any], None], item: Any) -> str:
    """Return what is wrong with `item`, in words, "" for nothing."""
    try:
        take(item)
    except KeyError as error:
        return f"has no '{error.args[0]}'"
    except (TypeError, OverflowError) as error:
        return f"cannot be read ({error})"
    except ValueError as error:
        return str(error)
    return ""


def _load(path: Path) -> dict[str, list[Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError) as error:  # UnicodeDecodeError is one
        raise FileError(path, f"cannot be read as JSON ({error})") from None
    missing = [key for key in _LISTS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise FileError(path, f"has no list '{missing[0]}'; expected COCO's {', '.join(_LISTS)}")
    return dict(content)


def _category(content: dict[str, Any]) -> Category:
    joints = tuple(map(str, content.get("keypoints") or ()))
    bones = tuple((int(a) - 1, int(b) - 1) for a, b in content.get("skeleton") or ())  # counted from 1
    if any(not 0 <= joint < len(joints) for bone in bones for joint in bone):
        raise ValueError("has a skeleton with keypoints that it does not list")
    return Category(str(content["name"]), joints, bones)


def _id(content: Any) -> Any:
    return content.get("id", "without an id") if isinstance(content, dict) else repr(content)


def as_instance(annotation: Mapping[str, Any], size: tuple[int, int], joints: int, with_mask: bool) -> Instance:
    """Return the annotation on an image of `size` (width, height), of a category with that many joints.

    Without `with_mask` the mask serves only where there is no box.
    Raises ValueError in words that go on after "annotation 7".
    """
    segmentation, keypoints = annotation.get("segmentation"), annotation.get("keypoints")
    box = annotation.get("bbox")
    mask = _mask(segmentation, *size) if segmentation and (with_mask or box is None) else None
    return Instance(
        category=annotation["category_id"],
        crowd=bool(annotation.get("iscrowd", 0)),
        corners=_corners(box, mask),
        mask=mask,
        joints=_joints(keypoints, joints) if keypoints and joints else None,
    )


def _corners(box: Any, mask: RunLengths | None) -> Array | None:
    """Return the corners of the box x, y, width, height, or of the mask where there is no box."""
    if box is None:
        if mask is None:
            return None
        box = run_lengths.toBbox(mask).tolist()
    x, y, width, height = _numbers(box, 4, "bbox")
    return np.array([x, y, x + width, y + height])


def _joints(keypoints: Any, joints: int) -> Array:
    points = np.array(_numbers(keypoints, 3 * joints, "keypoints")).reshape(joints, 3)
    if not np.isin(points[:, 2], (0, 1, 2)).all():
        raise ValueError(f"has a keypoint of visibility {points[:, 2].max():g}; expected 0, 1 or 2")
    return points


def _numbers(values: Any, count: int, key: str) -> list[float]:
    def valid(value: Any) -> bool:
        return isinstance(value, (int, float)) and abs(value) < MAX_COORDINATE  # NaN is not

    if not isinstance(values, list) or len(values) != count or not all(map(valid, values)):
        raise ValueError(f"has {_shortened(values)} for {key}; expected {count} numbers")
    return [float(value) for value in values]


def _mask(segmentation: Any, width: int, height: int) -> RunLengths:
    """Return polygons or run lengths as compressed run lengths."""
    if isinstance(segmentation, list):
        for polygon in segmentation:
            _check_polygon(polygon)
    elif not isinstance(segmentation, dict) or list(segmentation.get("size", [])) != [height, width]:
        size = segmentation.get("size") if isinstance(segmentation, dict) else segmentation
        raise ValueError(f"has run lengths of size {_shortened(size)}; its image has [{height}, {width}]")
    try:
        mask = dict(run_lengths.segmToRle(segmentation, width, height))
        if isinstance(segmentation, dict):
            run_lengths.decode(mask)  # compressed ones are not looked at before
        return mask
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"has run lengths that cannot be read ({first_line(error)})") from None


def _check_polygon(polygon: Any) -> None:
    if not isinstance(polygon, list):
        raise ValueError(f"has {_shortened(polygon)} for a polygon; expected polygons as [[x, y, x, y, ...]]")
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"has a polygon of {len(polygon)} numbers; expected x and y of at least three points")
    _numbers(polygon, len(polygon), "a polygon")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
