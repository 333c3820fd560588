"""What one of COCO's JSON files says: images, categories, and the annotations of each image as they stand there."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skipbench.bench.data.annotations import Array
from skipbench.bench.data.coco.units import Annotations, Box, in_shares, joint_numbers, mend_boxes, shape_numbers
from skipbench.bench.data.files.entries import Counted
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.instances import FLAT_BOX, Count, Instance, Size, box_of, read_box, read_joints, read_mask
from skipbench.bench.data.text import read_text

_LISTS = ("images", "annotations", "categories")
_NAMES = ("file_name", "coco_url", "flickr_url", "url", "path", "filename")  # where an image is named, best first
_OF_IMAGE = "{} image(s) without a name, or with the id of another one, are left out with their annotations"
_OF_CATEGORY = "{} category(s) without an id or a name are left out"
_NAMED_ABOVE = "{} category(s) have no name but a supercategory, and are called by that"
_ANOTHER_IMAGE = "{} annotation(s) of images that the file does not list are left out"
_ANOTHER_CATEGORY = "{} annotation(s) of categories that the file does not list are left out"
_NOTHING = "{} annotation(s) without a usable box, mask or keypoint are left out"
_BONES = "{} skeleton(s) that join keypoints which are not listed are left out"
_BONES_FROM_0 = "{} skeleton(s) count keypoints from 0, where COCO counts from 1, and are read so"


@dataclass(frozen=True)
class Category:
    """A class of objects, and the joints of its people where it has some."""

    name: str
    above: str = ""  # the name of the category that it belongs to
    joints: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Image:
    """An image by its annotation file."""

    name: str
    size: Size | None  # (width, height)


@dataclass
class Content:
    """All that one file says; annotations as they stand in it, by the id of their image."""

    path: Path
    images: dict[str, Image] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    annotations: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    in_shares: bool = False  # whether they are in shares of their image, not in pixels
    joints_in_shares: bool = False  # and their keypoints

    def instances(
        self, number: str, size: Size, scale: Array, with_masks: bool, count: Count
    ) -> Iterator[Instance]:
        """Yield the objects on an image of `size`, whose annotations have 1 / `scale` (2,) of its pixels.

        Without `with_masks` a mask serves only where there is no box: to rasterise takes most of the time.
        """
        own, whole = np.array(scale), np.array(size, np.float64)
        scales = whole if self.in_shares else own, whole if self.joints_in_shares else own
        for annotation in self.annotations.get(number, []):
            category = self.categories[identity(annotation["category_id"])]
            instance = as_instance(annotation, category, size, scales, with_masks, count)
            if instance is None:
                count(_NOTHING)
            else:
                yield instance


def read_content(path: Path, counted: Counted, box: Box | None = None) -> Content:
    """Return what the file says; what of it cannot be used is counted. Raises FileError where nothing can.

    `box` is how it writes boxes, None for what fits.
    """
    lists, content = _load(path), Content(path)
    for category in lists["categories"]:
        _add_category(content, category, counted)
    unusable = {number for image in lists["images"] if (number := _add_image(content, image, counted))}
    for annotation in lists["annotations"]:
        of = annotation if isinstance(annotation, dict) else {}
        image, category = (identity(of.get(key)) for key in ("image_id", "category_id"))
        if image not in content.images:
            if image not in unusable:
                counted.add(_ANOTHER_IMAGE, _title("annotation", annotation))
        elif category not in content.categories:
            counted.add(_ANOTHER_CATEGORY, _title("annotation", annotation))
        else:
            content.annotations[image].append(of)
    every: Annotations = [
        (each, content.images[image].size) for image, several in content.annotations.items() for each in several
    ]
    content.in_shares = in_shares(map(shape_numbers, (each for each, _ in every)), counted, path.name)
    content.joints_in_shares = in_shares(map(joint_numbers, (each for each, _ in every)), counted, path.name)
    mend_boxes(every, box or ("xywh" if content.in_shares else None), counted, path.name)
    return content


def identity(number: Any) -> str:
    """Return an id as text: 7, 7.0 and "7" are one; "" for none."""
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return "" if number is None or isinstance(number, (bool, list, dict)) else str(number).strip()


def _title(what: str, content: Any) -> str:
    named = content.get("id", "without an id") if isinstance(content, dict) else repr(content)
    return f"{what} {named!s:.40}"


def _add_category(content: Content, given: Any, counted: Counted) -> None:
    number = identity(given.get("id")) if isinstance(given, dict) else ""
    above = str(given.get("supercategory") or "").strip() if number else ""
    unnamed = not number or given.get("name") in (None, "")
    name = above if unnamed else str(given["name"]).strip()
    if not name:
        return counted.add(_OF_CATEGORY, _title("category", given))
    if unnamed:
        counted.add(_NAMED_ABOVE, f"'{name}'")
    names = given.get("keypoints") or ()
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    listed = names if isinstance(names, list) else []
    joints = tuple(str(name.get("name", name) if isinstance(name, dict) else name) for name in listed)
    bones = _bones(given, len(joints), counted)
    category = Category(name, "" if unnamed else above, joints, bones)
    if content.categories.setdefault(number, category).name != category.name:
        counted.add("{} category(s) have the id of another one and are left out", f"'{category.name}'")
    return None


def _bones(given: Mapping[str, Any], joints: int, counted: Counted) -> tuple[tuple[int, int], ...]:
    """Return the bones of a skeleton, counted from 0; none where it makes no sense."""
    try:
        bones = [(int(a), int(b)) for a, b in given.get("skeleton") or ()]
    except (TypeError, ValueError):
        bones = [(-1, -1)]
    ends = {end for bone in bones for end in bone}
    if ends and 0 in ends and ends <= {*range(joints)}:
        counted.add(_BONES_FROM_0, _title("category", given))
        return tuple(bones)
    if not ends <= {*range(1, joints + 1)}:
        counted.add(_BONES, _title("category", given))
        return ()
    return tuple((a - 1, b - 1) for a, b in bones)


def _add_image(content: Content, given: Any, counted: Counted) -> str:
    """Take in an image; return its id where it cannot be used."""
    number = identity(given.get("id")) if isinstance(given, dict) else ""
    name = next((str(given[key]) for key in _NAMES if given.get(key)), "") if number else ""
    if not name:
        counted.add(_OF_IMAGE, _title("image", given))
        return number
    image = Image(name, _size(given))
    if content.images.setdefault(number, image).name != name:
        for one in (content.images.pop(number), image):  # whose annotations are whose is not known
            counted.add(_OF_IMAGE, f"{one.name} of id {number}")
        return number
    return ""


def _size(given: Mapping[str, Any]) -> Size | None:
    try:
        width, height = (int(float(given[side])) for side in ("width", "height"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if min(width, height) > 0 else None


def _load(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"cannot be read as JSON ({error})") from None
    missing = [key for key in _LISTS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise FileError(path, f"has no list '{missing[0]}'; expected COCO's {', '.join(_LISTS)}")
    return dict(content)


def as_instance(
    annotation: Mapping[str, Any],
    category: Category,
    size: Size,
    scales: tuple[Array, Array],
    with_mask: bool,
    count: Count,
) -> Instance | None:
    """Return what an annotation on an image of `size` says, in px of that image; None where it says nothing.

    `scales` (2,) each are the pixels of one of its own numbers: in boxes and masks, and in keypoints.
    """
    scale = scales[0]
    segmentation, keypoints = annotation.get("segmentation"), annotation.get("keypoints")
    corners = read_box(annotation.get("bbox"), count)
    corners = None if corners is None else corners * np.tile(scale, 2)
    flat = corners is not None and bool((corners[2:] <= corners[:2]).any())
    needed = segmentation and (with_mask or corners is None or flat)
    mask = read_mask(segmentation, size, scale, count) if needed else None
    if mask and (corners is None or flat):
        if flat:
            count(FLAT_BOX)
        corners = box_of(mask)
    joints = read_joints(keypoints, len(category.joints), count) if keypoints and category.joints else None
    if joints is not None:
        joints = joints * [*scales[1], 1]
    if corners is None and mask is None and joints is None:
        return None
    number = identity(annotation.get("id"))
    return Instance(category.name, bool(annotation.get("iscrowd", 0)), corners, mask, joints, number)


def boxes_of(path: Path) -> dict[str, tuple[Size | None, Array]]:
    """Return of each image, by its name, its stated size (width, height) and its boxes (n, 4) without crowds."""
    content, found = read_content(path, Counted()), {}
    for number, image in content.images.items():
        annotations = [each for each in content.annotations.get(number, []) if not each.get("iscrowd")]
        found[Path(image.name).name] = image.size, boxes_in(annotations)
    return found


def boxes_in(annotations: Iterable[Mapping[str, Any]]) -> Array:
    """Return the corners (n, 4) of those annotations that have a box."""
    boxes = (read_box(annotation.get("bbox"), lambda kind: None) for annotation in annotations)
    return np.array([box for box in boxes if box is not None], np.float64).reshape(-1, 4)
