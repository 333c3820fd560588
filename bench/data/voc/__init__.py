"""Pascal VOC: boxes in one XML file per image, and masks of classes where there are some."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from skipbench.bench.data.annotations import IGNORE_INDEX, Boxes, Mask
from skipbench.bench.data.annotations.classes import Rule
from skipbench.bench.data.base import SPLITS, register_dataset
from skipbench.bench.data.files.class_lists import ClassList, find_class_list
from skipbench.bench.data.files.entries import Counted, Entry, Found
from skipbench.bench.data.files.fitting import Fitting, reach_of
from skipbench.bench.data.files.lists import Lists, assigned_splits, find_lists, read_lists
from skipbench.bench.data.files.locating import Images, files_below, images_below, is_of_masks
from skipbench.bench.data.files.pairs import pair_up, place_of
from skipbench.bench.data.files.preflight import Examined
from skipbench.bench.data.files.source import Chosen, FileSource
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.pictures.masks import Colour
from skipbench.bench.data.voc.contradictions import LOOKED_AT, contradictions
from skipbench.bench.data.voc.xml import NOTHING, Annotation, is_annotation, read_annotation

PASCAL_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_LOOKED_AT = 20  # XML files, until one is an annotation
_BARE = "{} image(s) have no XML file and are taken to show no objects; data.unannotated=drop leaves them out"
_DROPPED = "{} image(s) have no XML file and are left out; data.unannotated=empty takes them to show no objects"
_IN_MASKS = "{} image(s) lie in a folder of masks and are not read; --format folder reads images with masks"
_NO_IMAGE = "{} XML file(s) are of images that are not there, and are left out"


@dataclass(frozen=True)
class Member:
    """An image of a split, with what its XML file says."""

    split: str
    name: str
    image: Path
    source: Path  # the XML file, or the image where there is none
    annotation: Annotation


@register_dataset("voc")
class Voc(FileSource):
    """Where a Pascal VOC dataset lies: JPEGImages/, Annotations/<name>.xml, ImageSets/Main/{train,val,test}.txt.

    XML files may also lie beside their images, in folders that are named like splits, or be found by the name of
    the image that they state. Without a list of training images, trainval.txt is that list; without any list,
    folders tell the split, and else all images are for training. An image without an XML file shows no objects, or
    is left out with `unannotated=drop`.

    `read` says what is read. "boxes": corners are counted from 1 and belong to the box, so that it covers
    xmin - 1 to xmax; one marked as difficult is ignored. "masks": SegmentationClass/<name>.png, listed in
    ImageSets/Segmentation where there is such a folder; 255 is ignored. By default boxes, and masks where every
    listed image has one. The classes are those of labelmap.txt, class_names.txt or classes.txt, where there is such
    a file, else Pascal's, or else the names that occur, sorted.
    """

    layout: ClassVar[str] = "JPEGImages/ and Annotations/<name>.xml, or Pascal VOC's XML files beside the images"
    split_files: ClassVar[str] = "ImageSets/Main/{split}.txt or a folder {split}/"

    read: Chosen[Literal["boxes", "masks"]] | None = None
    ignore_index: int | None = Field(IGNORE_INDEX, ge=0, le=IGNORE_INDEX)  # the mask value of ignored pixels
    rescale: bool | None = None  # whether boxes are scaled where the file states another size than its image has
    unannotated: Literal["empty", "drop"] = "empty"  # what an image without an XML file is

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return what the folder `root` lacks."""
        if (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir():
            of_masks = not any(xml_files(root)) and bool(images_below(root / "Annotations"))
            return "XML file in Annotations/" if of_masks else ""
        files = (path for _, path in zip(range(_LOOKED_AT), xml_files(root), strict=False))
        return "" if any(map(is_annotation, files)) else "XML file of Pascal VOC"

    def find(self) -> Found:
        """Return the images with their annotations; every XML file is read."""
        found = Found()
        members = list(self._members(found))
        occurring = {name for member in members for name in member.annotation.names}
        listed = find_class_list(found, self.place)
        names = class_names(occurring, listed)
        masks = self._masks([member.image for member in members], found)
        if masks is not None:
            pascal = not listed and occurring <= {*PASCAL_CLASSES}
            classes = listed.names if listed else ("background", *(PASCAL_CLASSES if pascal else names))
            colours = (listed and listed.colours) or tuple(map(pascal_colour, range(len(classes))))
            rule = Rule(
                classes,
                colours=colours,
                void=pascal_colour(IGNORE_INDEX),
                ignored=self.ignore_index,
                insists="ignore_index" in self.model_fields_set,
                source=listed.path.name if listed else "the list of objects",
            )
            found.annotations.append(Mask(rule=rule if names or listed else None))
            members = [member for member in members if member.image in masks]
        if self._reads_boxes:
            found.annotations += [Boxes(names)] if names else []
        fitting = self.opening.fitting(found.counted, self.rescale)
        for member in members:
            if entry := self._entry(member, masks, names, fitting, found):
                found.entries.append(entry)
        return found

    def remarks(self, checked: Examined) -> list[str]:
        """Return that boxes contradict masks, where they do."""
        of_kind = {type(annotation): annotation for annotation in checked.annotations}
        mask, boxes = of_kind.get(Mask), of_kind.get(Boxes)
        if not (isinstance(mask, Mask) and isinstance(boxes, Boxes) and mask.names):
            return []
        return list(contradictions(checked.facts[:LOOKED_AT], boxes, mask, self.opening.opener))

    @property
    def _reads_boxes(self) -> bool:
        return self.read is None or "boxes" in self.read

    def _members(self, found: Found) -> Iterator[Member]:
        """Yield the images of all splits, in the order of splits and names."""
        base = self.place / "JPEGImages" if (self.place / "JPEGImages").is_dir() else self.place
        images = self._images(base, found)
        lists = self._lists(found)
        splits = (
            assigned_splits(lists, images, base, found)
            if lists
            else {image: in_folders(image, base) for image in images}
        )
        if not lists and "train" not in splits.values():
            found.problems.append(
                Problem(base.relative_to(self.place).as_posix(), "contains no images for training")
            )
        files = self._xml_files(images, found)
        for split in SPLITS:
            for image in sorted(image for image, of in splits.items() if of == split):
                source = files.get(image)
                name = image.relative_to(base).with_suffix("").as_posix()
                if source:
                    reading = found if self._reads_boxes else Found()
                    reader = partial(read_annotation, counted=reading.counted)
                    annotation = reading.read(reader, source, self.place, of_one_image=True)
                    if annotation or not self._reads_boxes:
                        yield Member(split, name, image, source, annotation or NOTHING)
                else:
                    if self._reads_boxes:
                        found.counted.add(_BARE if self.unannotated == "empty" else _DROPPED, image.name)
                    if self.unannotated == "empty" or not self._reads_boxes:
                        yield Member(split, name, image, image, NOTHING)

    def _images(self, base: Path, found: Found) -> list[Path]:
        """Return the images, without those in a folder of masks that are called like another one."""
        every = [path for path in images_below(base) if not _is_of_masks(path.relative_to(base))]
        images = [path for path in every if not is_of_masks(path.relative_to(base))]
        names = {path.stem for path in images}
        masks = {path for path in every if path.stem in names} - {*images}
        for mask in sorted(masks):
            found.counted.add(_IN_MASKS, mask.relative_to(base).as_posix())
        return [path for path in every if path not in masks]

    def _lists(self, found: Found) -> Lists:
        segmentation = self.place / "ImageSets/Segmentation"
        try:
            if self.read and "masks" in self.read and segmentation.is_dir():
                return read_lists(segmentation)
            return find_lists(self.place)
        except FileError as error:
            found.problems.append(error.problem(self.place))
            return {}

    def _xml_files(self, images: list[Path], found: Found) -> dict[Path, Path]:
        """Return the XML file of each image that has one: by its name, or by the one that it states."""
        files = list(xml_files(self.place))
        pairs = pair_up(images, files, self.place)
        located, of = Images(self.place, found.counted), dict(pairs.of)
        for file in pairs.lone_files:
            try:
                stated = read_annotation(file, Counted()).file_name
            except FileError:
                continue  # some other XML file
            image = located.find(stated, [file.parent]) if stated else None
            if image is None or image not in images:
                found.counted.add(_NO_IMAGE, file.relative_to(self.place).as_posix())
            else:
                of.setdefault(image, file)
        return of

    def _masks(self, images: list[Path], found: Found) -> dict[Path, Path] | None:
        """Return the mask file of each image that has one, None where masks are not read."""
        folder = self.place / "SegmentationClass"
        masks = pair_up(images, images_below(folder), self.place).of
        absent = [image for image in images if image not in masks]
        if self.read is None:
            return masks if not absent and images else None
        if "masks" not in self.read:
            return None
        found.left_out += [
            Problem(f"{folder.name}/{image.stem}.png", "is missing, but its image is listed") for image in absent
        ]
        return masks

    def _entry(
        self,
        member: Member,
        masks: Mapping[Path, Path] | None,
        names: tuple[str, ...],
        fitting: Fitting,
        found: Found,
    ) -> Entry | None:
        annotation = member.annotation
        try:
            fit = fitting.fit(member.image, annotation.size, reach_of(annotation.corners))
        except FileError as error:
            found.left_out.append(error.problem(self.place))
            return None
        truth: dict[type, Any] = {Mask: masks[member.image]} if masks else {}
        if self._reads_boxes:
            truth[Boxes] = annotation.objects(names, fit.scale)
        return Entry(member.split, member.name, member.image, member.source, truth, upright=fit.upright)


def class_names(occurring: set[str], listed: ClassList | None) -> tuple[str, ...]:
    """Return the names of the classes, without a background, in the order of the list, Pascal's or the alphabet."""
    if listed:
        names = [name for name in listed.names if name != "background"]
        return (*names, *sorted(occurring - {*names}))
    return tuple(sorted(occurring))


def pascal_colour(number: int) -> Colour:
    """Return the colour of a class, 255 for pixels that are ignored, in the palette of Pascal VOC's masks."""
    red, green, blue = (
        sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)
    )
    return red, green, blue


def xml_files(root: Path) -> Iterator[Path]:
    """Yield the XML files of a dataset: those in Annotations/, or all where there is no such folder."""
    base = root / "Annotations" if (root / "Annotations").is_dir() else root
    return iter(files_below(base, lambda name: name.lower().endswith(".xml")))


def in_folders(image: Path, base: Path) -> str:
    """Return the split that an image's folders tell, "train" where none does."""
    return place_of(image, base).split or "train"


def _is_of_masks(path: Path) -> bool:
    return path.parts[0].startswith("Segmentation")
