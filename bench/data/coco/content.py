"""What COCO's JSON files say: images, categories, annotations, each checked on the way in."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from skipbench.bench.data.coco.instance import Instance, as_instance
from skipbench.bench.data.pixels import FileError, Problem

_LISTS = ("images", "annotations", "categories")
MOST_PIXELS = 1 << 28  # of one image; Pillow takes fewer for an attack
_SINGULAR = dict(zip(_LISTS, ("image", "annotation", "category"), strict=True))


@dataclass(frozen=True)
class Category:
    """A class of objects, and the joints of its figures where it has some."""

    name: str
    joints: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()

    def differs(self, other: "Category") -> bool:
        """Return whether the two cannot be one; a file of boxes need not name the joints that another one has."""
        return self.name != other.name or bool(self.joints and other.joints and self.joints != other.joints)


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
            raise ValueError("has an id that is no whole number")
        category = _category(content)
        known = self.categories.setdefault(content["id"], category)
        if known.differs(category):
            raise ValueError(f"('{category.name}') is another one, '{known.name}', elsewhere in the split")
        self.categories[content["id"]] = known if known.joints else category

    def _add_image(self, path: Path, content: dict[str, Any]) -> None:
        image = Image(str(content["file_name"]), (int(content["width"]), int(content["height"])), path)
        if not (min(image.size) > 0 and image.size[0] * image.size[1] <= MOST_PIXELS):
            raise ValueError(f"states {image.size[0]:.4g}x{image.size[1]:.4g} pixels, which no image file has")
        known = self.images.setdefault(content["id"], image)
        if known.name != image.name:
            raise ValueError(f"is {known.name} and {image.name}; expected one id for each image")
        if known is not image and known.source == path:
            raise ValueError(f"({image.name}) stands twice")

    def _add_annotation(self, seen: set[Any], content: dict[str, Any]) -> None:
        number, image, category = content["id"], content["image_id"], content["category_id"]
        if image not in self.images:
            raise ValueError(f"is on image {image}, which the file does not list")
        if category not in self.categories:
            raise ValueError(f"is of category {category}, which the file does not list")
        if number in seen:
            raise ValueError("has the id of another one")
        seen.add(number)
        joints = len(self.categories[category].joints)
        instance = as_instance(content, self.images[image].size, joints, self.with_masks)
        known = self.instances.setdefault(image, {})
        known[number] = instance.merged(known.get(number))


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
        raise FileError(path, f"holds no list '{missing[0]}'; expected COCO's {', '.join(_LISTS)}")
    return dict(content)


def _category(content: dict[str, Any]) -> Category:
    joints = tuple(map(str, content.get("keypoints") or ()))
    bones = tuple((int(a) - 1, int(b) - 1) for a, b in content.get("skeleton") or ())  # counted from 1
    if any(not 0 <= joint < len(joints) for bone in bones for joint in bone):
        raise ValueError("has a skeleton that joins keypoints it does not have")
    return Category(str(content["name"]), joints, bones)


def _id(content: Any) -> Any:
    return content.get("id", "without an id") if isinstance(content, dict) else repr(content)


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
