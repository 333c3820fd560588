"""Pascal VOC: boxes in one XML file per image, and masks of classes where there are some."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skipbench.bench.data.annotations import IGNORE_INDEX, Boxes, Mask, Objects
from skipbench.bench.data.base import SPLITS, register_dataset
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.source import Chosen, FileSource, missing_folder
from skipbench.bench.data.pixels import FileError, Problem, images_by_name

PASCAL_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Listed:
    """An image of a split."""

    split: str
    name: str
    image: Path


@dataclass(frozen=True)
class Annotation:
    """What an XML file says of its image."""

    size: tuple[int, int] | None  # (width, height), None where it says none
    names: tuple[str, ...]  # of the class of each object
    corners: npt.NDArray[Any]  # (n, 4) float x1, y1, x2, y2; pixel i covers i to i + 1
    difficult: npt.NDArray[np.bool_]  # (n,)

    def objects(self, names: tuple[str, ...]) -> Objects:
        """Return the objects, labelled by the position of their name in `names`."""
        labels = np.array([names.index(name) for name in self.names], np.int64)
        return Objects(self.corners, labels, self.difficult)


@register_dataset("voc")
class Voc(FileSource):
    """Where a Pascal VOC dataset lies: JPEGImages/, Annotations/<name>.xml, ImageSets/Main/{train,val,test}.txt.

    Without a list of training images, trainval.txt is that list; without any list, all images are for training;
    a missing val or test takes one in five of the training images.

    `read` says what is read. "boxes": corners are counted from 1 and belong to the box, so that it covers
    xmin - 1 to xmax; one marked as difficult is ignored; the classes are the names that occur, sorted. "masks":
    SegmentationClass/<name>.png, listed in ImageSets/Segmentation where there is such a folder; 255 is
    ignored. By default boxes, and masks where every listed image has one.
    """

    layout: ClassVar[str] = "JPEGImages/ and Annotations/<name>.xml"
    split_files: ClassVar[str] = "ImageSets/Main/{split}.txt"

    read: Chosen[Literal["boxes", "masks"]] | None = None
    ignore_index: int | None = Field(IGNORE_INDEX, ge=0, le=IGNORE_INDEX)  # the mask value of ignored pixels

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return the first of the two folders that `root` lacks."""
        return missing_folder(root, "JPEGImages", "Annotations")

    def find(self) -> Found:
        """Return the listed images with their annotations; every XML file is read."""
        lists = self.place / "ImageSets/Segmentation"
        if not (self.read and "masks" in self.read and lists.is_dir()):
            lists = lists.with_name("Main")
        listed, problems, notes = listed_images(self.place, lists)
        found = Found(problems=problems, notes=notes)
        annotations = self._annotations(listed, found)
        masks = self._masks(listed, found)
        names = tuple(sorted({name for annotation in annotations.values() for name in annotation.names}))
        if masks is not None:
            classes = PASCAL_CLASSES if {*names} <= {*PASCAL_CLASSES} else names
            found.annotations.append(Mask.named(("background", *classes) if names else (), self.ignore_index))
            listed = [image for image in listed if image.name in masks]
        if self._reads_boxes:
            found.annotations += [Boxes(names)] if names else []
            listed = [image for image in listed if image.name in annotations]
        found.entries = [self._entry(image, annotations.get(image.name), masks, names) for image in listed]
        return found

    @property
    def _reads_boxes(self) -> bool:
        return self.read is None or "boxes" in self.read

    def _annotations(self, listed: list[Listed], found: Found) -> dict[str, Annotation]:
        """Return what each image's XML file says; one that cannot be used is a problem where boxes are read."""
        files = {image.name: self.place / "Annotations" / f"{image.name}.xml" for image in listed}
        reading = found if self._reads_boxes else Found()
        read = {name: reading.read(read_annotation, file, self.place) for name, file in files.items()}
        return {name: annotation for name, annotation in read.items() if annotation}

    def _masks(self, listed: list[Listed], found: Found) -> dict[str, Path] | None:
        """Return the mask file of each image that has one, None where masks are not read."""
        folder = self.place / "SegmentationClass"
        masks = {name: files[0] for name, files in images_by_name(folder).items()}
        absent = [image.name for image in listed if image.name not in masks]
        if self.read is None:
            return masks if not absent and listed else None
        if "masks" not in self.read:
            return None
        found.problems += [Problem(f"{folder.name}/{name}.png", "is missing, but listed") for name in absent]
        return masks

    def _entry(
        self, listed: Listed, annotation: Annotation | None, masks: dict[str, Path] | None, names: tuple[str, ...]
    ) -> Entry:
        truth: dict[type, Any] = {Mask: masks[listed.name]} if masks else {}
        source = self.place / "Annotations" / f"{listed.name}.xml"
        if not (annotation and self._reads_boxes):
            return Entry(listed.split, listed.name, listed.image, source, truth)
        truth[Boxes] = annotation.objects(names)
        return Entry(listed.split, listed.name, listed.image, source, truth, annotation.size)


def listed_images(root: Path, lists: Path) -> tuple[list[Listed], list[Problem], list[str]]:
    """Return the images that the text files in the folder `lists` name, what is wrong with them, and notes.

    Without lists, every image is for training.
    """
    images = images_by_name(root / "JPEGImages")
    names = _names(lists) or {"train": (root / "JPEGImages", sorted(images))}
    listed: list[Listed] = []
    problems = [] if names.get("train", ("", []))[1] else [Problem("JPEGImages", "contains no images for training")]
    seen: dict[str, str] = {}
    for split, (source, members) in names.items():
        for name in members:
            problem = _problem(source.relative_to(root).as_posix(), name, images.get(name, []), seen.get(name))
            if problem:
                problems.append(problem)
            else:
                listed.append(Listed(split, name, images[name][0]))
            seen[name] = split
    unlisted = len(images.keys() - seen.keys())
    return listed, problems, [f"{unlisted:,} image(s) are not listed, so they are not used."] if unlisted else []


def _names(lists: Path) -> dict[str, tuple[Path, list[str]]]:
    """Return for each split the file that lists it and the sorted names in there."""
    files = {split: lists / f"{split}.txt" for split in SPLITS}
    names = {split: (file, _lines(file)) for split, file in files.items() if file.is_file()}
    both = lists / "trainval.txt"
    if "train" not in names and both.is_file():
        val = set(names["val"][1]) if "val" in names else set()
        names["train"] = both, [name for name in _lines(both) if name not in val]
    return names


def _lines(file: Path) -> list[str]:
    return sorted(
        line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
    )


def _problem(source: str, name: str, images: list[Path], seen: str | None) -> Problem | None:
    if seen:
        return Problem(source, f"lists {name}, which is already in {seen}; expected each image once")
    if not images:
        return Problem(source, f"lists {name}, but there is no image JPEGImages/{name}.*")
    if len(images) > 1:
        others = ", ".join(path.name for path in images[1:])
        return Problem(f"JPEGImages/{images[0].name}", f"has the same name as {others}")
    return None


def read_annotation(path: Path) -> Annotation:
    """Return what the file `path` says. Raises FileError with the first thing that is wrong."""
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise FileError(path, "is missing, but its image is listed") from None
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:  # LookupError: its encoding
        raise FileError(path, f"cannot be read as XML ({error})") from None
    objects = root.findall("object")
    corners = [_corners(path, number, element) for number, element in enumerate(objects, 1)]
    counted_from_1 = np.array(corners, np.float64).reshape(-1, 4)
    width, height = (_text(root, f"size/{side}") for side in ("width", "height"))
    stated = width.isdecimal() and height.isdecimal() and int(width) and int(height)  # some tools write 0
    return Annotation(
        (int(width), int(height)) if stated else None,
        tuple(_text(element, "name") for element in objects),
        counted_from_1 - [1, 1, 0, 0],  # and the last pixel belongs to the box
        np.array([_text(element, "difficult") == "1" for element in objects], bool),
    )


def _text(element: ElementTree.Element, place: str) -> str:
    return (element.findtext(place) or "").strip()


def _corners(path: Path, number: int, element: ElementTree.Element) -> list[float]:
    name = _text(element, "name")
    if not name:
        raise FileError(path, f"object {number} has no name")
    words = f"object {number} ({name})"
    if element.find("bndbox") is None:
        raise FileError(path, f"{words} has no box; expected <bndbox>")
    return [_number(path, words, corner, _text(element, f"bndbox/{corner}")) for corner in _CORNERS]


def _number(path: Path, words: str, corner: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FileError(path, f"{words} has '{text}' for {corner}; expected a number")
    return number
