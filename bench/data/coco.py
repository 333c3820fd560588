"""COCO JSON: boxes, masks as polygons or run lengths, keypoints with visibility."""

import mmap
import os
import re
from collections.abc import Collection, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, ClassVar, Literal

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
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.coco_json import Category, Content, Image, Instance, read_contents
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.source import Chosen, FileSource
from skipbench.bench.data.pixels import Problem

Kind = Literal["boxes", "masks", "keypoints"]
Contents = dict[str, Content]  # split -> what its files say
_FIELDS: Mapping[Kind, str] = {"boxes": "corners", "masks": "mask", "keypoints": "joints"}
_OTHERS = ("captions", "image_info", "panoptic", "stuff")  # COCO's own files that hold something else
_SPLIT = re.compile(r"(?<![a-z])(train|val|test)(id|idation)?(?![a-z])")


@register_dataset("coco")
class Coco(FileSource):
    """Where a COCO dataset lies: JSON files in annotations/, in the folder itself or beside the images.

    A file's name, or its folder's, tells its split (instances_train2017.json, valid/_annotations.coco.json); one
    without a split is for training. What several files of a split say of one annotation is merged. The images lie
    beside the file, in the folder or its images/, or in one named like the split (train/, train2017/).

    `read` says what is read; by default all that there is, masks where every object has one. Classes are the
    categories in the order of their ids. A crowd is an ignored box. In masks, 0 is background, a smaller object
    lies over a larger one, and pixels of crowds are ignored. Keypoints are of the one category that has some,
    and name pixels, so that half a pixel is added to their whole numbers.
    """

    layout: ClassVar[str] = "annotations/*.json or another JSON file with COCO's images and annotations"
    split_files: ClassVar[str] = "a JSON file with '{split}' in its name"

    read: Chosen[Kind] | None = None

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "COCO JSON file" where there is none."""
        return "" if annotation_files(root) else "COCO JSON file"

    def find(self) -> Found:
        """Return the images of all annotation files; every annotation is checked."""
        files = files_for(self.read, annotation_files(self.place))
        splits = {path: split_of(self.place, path) for path in files}
        contents, problems, files = read_contents(self.place, splits, not self.read or "masks" in self.read)
        found = Found(problems=problems, files=files)
        Assembly(self.place, contents, self.read or kinds_in(contents), found).fill()
        return found


class Assembly:
    """Fills a Found with the entries of all splits; `kinds` are what is read."""

    def __init__(self, root: Path, contents: Contents, kinds: Set[Kind], found: Found) -> None:
        self._root, self._contents, self._kinds, self._found = root, contents, kinds, found
        self._categories = self._merged_categories()
        self._names = tuple(category.name for category in self._categories.values())
        self._seen: dict[Path, str] = {}
        self._unused = 0  # images without keypoints, where only these are wanted

    def fill(self) -> None:
        """Describe the dataset, then add its entries and all that is wrong with them."""
        self._describe()
        self._found.problems += self._lacking()
        for split, content in self._contents.items():
            for number, image in sorted(content.images.items(), key=lambda item: item[1].name):
                self._add(split, image, list(content.instances.get(number, {}).values()))
        if self._unused:
            self._found.notes.append(f"{self._unused:,} image(s) without an annotated keypoint are not used.")

    def _merged_categories(self) -> dict[int, Category]:
        categories: dict[int, Category] = {}
        for content in self._contents.values():
            for number, category in content.categories.items():
                known = categories.setdefault(number, category)
                if difference := known.difference(category):
                    self._problem("", f"category {number} ('{known.name}') {difference} in another split")
                categories[number] = known if known.joints else category
        names = [category.name for category in categories.values()]
        for number, category in categories.items():
            if names.count(category.name) > 1:
                self._problem("", f"category {number} has a duplicate name, '{category.name}'")
        return dict(sorted(categories.items()))

    def _problem(self, path: str, reason: str) -> None:
        self._found.problems.append(Problem(path, reason))

    def _describe(self) -> None:
        annotations = self._found.annotations
        if "masks" in self._kinds:
            background = "background" if "background" not in self._names else "no object"
            annotations.append(Mask.of(dict(enumerate((background, *self._names))), frozenset({IGNORE_INDEX})))
            self._found.notes.append(
                f"Pixels of no object are their own class, '{background}'; crowds are ignored."
            )
        if "boxes" in self._kinds and self._names:
            annotations += [Instances(), Boxes(self._names)] if "masks" in self._kinds else [Boxes(self._names)]
        if "keypoints" in self._kinds:
            self._describe_joints()

    def _describe_joints(self) -> None:
        jointed = [category for category in self._categories.values() if category.joints]
        if len({category.joints for category in jointed}) > 1:
            names = ", ".join(category.name for category in jointed)
            self._problem("", f"several categories ({names}) have different keypoints; expected the same ones")
        for category in jointed[:1]:
            self._found.annotations.append(Joints(category.joints, bones=category.bones))

    def _lacking(self) -> Iterator[Problem]:
        """Yield a problem for every object that lacks what is to be read of it."""
        words: dict[Kind, str] = {"boxes": "bbox", "masks": "segmentation"}
        for kind in sorted(words.keys() & self._kinds):
            for number, image, instance in _instances(self._contents):
                if getattr(instance, _FIELDS[kind]) is None:
                    place = image.source.relative_to(self._root).as_posix()
                    yield Problem(place, f"annotation {number} has no {words[kind]}")

    def _add(self, split: str, image: Image, instances: list[Instance]) -> None:
        source = image.source.relative_to(self._root).as_posix()
        path = locate(self._root, image_folders(self._root, image.source), image.name)
        if path is None:
            return self._problem(source, f"lists the image {image.name}, but there is no such file in the folder")
        if path in self._seen:
            return self._problem(source, f"lists {image.name}, which is already in {self._seen[path]}")
        self._seen[path] = split
        objects = self._objects(instances)
        truth: dict[type[Annotation], Any] = {
            type(annotation): self._keypoints(instances, len(annotation.names))
            if isinstance(annotation, Joints)
            else objects
            for annotation in self._found.annotations
        }
        if self._kinds == {"keypoints"} and not (Joints in truth and len(truth[Joints].joints)):
            self._unused += 1
            return None
        self._found.entries.append(Entry(split, image.name, path, image.source, truth, image.size))
        return None

    def _objects(self, instances: list[Instance]) -> Objects:
        with_masks = "masks" in self._kinds
        usable = [
            instance for instance in instances if instance.corners is not None and (instance.mask or not with_masks)
        ]
        labels = {number: label for label, number in enumerate(self._categories)}
        return Objects(
            np.array([instance.corners for instance in usable], np.float64).reshape(-1, 4),
            np.array([labels[instance.category] for instance in usable], np.int64),
            np.array([instance.crowd for instance in usable], bool),
            tuple(instance.mask for instance in usable if instance.mask) if with_masks else None,
        )

    def _keypoints(self, instances: list[Instance], joints: int) -> Keypoints:
        shape = (-1, joints, 3)
        people = [
            instance.joints for instance in instances if instance.joints is not None and instance.joints[:, 2].any()
        ]
        points = np.array([person for person in people if person.shape == shape[1:]], np.float64).reshape(shape)
        visibility = points[..., 2].astype(np.int64)
        return Keypoints(np.where(visibility[..., None] > 0, points[..., :2] + 0.5, np.nan), visibility)


def kinds_in(contents: Contents) -> frozenset[Kind]:
    """Return what can be read: boxes and keypoints where there are some, masks where every object has one."""
    instances = [instance for _, _, instance in _instances(contents)]
    some = {
        kind
        for kind, field in _FIELDS.items()
        if any(getattr(instance, field) is not None for instance in instances)
    }
    return frozenset(some if all(instance.mask for instance in instances) else some - {"masks"})


def _instances(contents: Contents) -> Iterator[tuple[int, Image, Instance]]:
    for content in contents.values():
        for image, instances in content.instances.items():
            for number, instance in instances.items():
                yield number, content.images[image], instance


def annotation_files(root: Path) -> list[Path]:
    """Return every JSON file in annotations/, and those in `root` and its folders that look like COCO's."""
    files = sorted([*root.glob("*.json"), *root.glob("*/*.json")])
    return [path for path in files if not path.name.startswith(_OTHERS) and _looks_right(path)]


def _looks_right(path: Path) -> bool:
    if path.parent.name == "annotations":
        return True
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return all(text.find(key) >= 0 for key in (b'"images"', b'"annotations"'))


def files_for(read: Collection[str] | None, files: list[Path]) -> list[Path]:
    """Return those of `files` that hold what is to be read; COCO keeps keypoints in files of their own."""
    keypoints = [path for path in files if "keypoints" in path.stem]
    if read is None or not keypoints or len(keypoints) == len(files):
        return files
    if set(read) == {"keypoints"}:
        return keypoints
    return files if "keypoints" in read else [path for path in files if path not in keypoints]


def split_of(root: Path, path: Path) -> str:
    """Return the split that the name of the file, or of the folder it lies in, tells; "train" if none does."""
    folder = "" if path.parent == root else path.parent.name
    match = _SPLIT.search(path.stem.lower()) or _SPLIT.search(folder.lower())
    return match[1] if match else "train"


def image_folders(root: Path, path: Path) -> list[Path]:
    """Return where the images of the annotation file `path` may lie, the likeliest first.

    Beside the file, or in `root` or its images/, there perhaps in a folder that the file is named after:
    train2017/ for instances_train2017.json.
    """
    words = [split_of(root, path), *path.stem.split("_")]
    bases = [root, root / "images"]
    return [*(base / word for word in reversed(words) if word for base in bases), path.parent, *bases]


def locate(root: Path, folders: list[Path], name: str) -> Path | None:
    """Return the first file of that name in one of `folders` that lies in it, or in `root` at least.

    What a name leads to elsewhere, as "../../x.png", an absolute one or a link may, is not part of the dataset;
    a folder that is a link itself was put there on purpose.
    """
    for folder in folders:
        path = folder / name
        homes = (root.resolve(), folder.resolve())
        if os.path.isfile(path) and any(path.resolve().is_relative_to(home) for home in homes):
            return path
    return None
