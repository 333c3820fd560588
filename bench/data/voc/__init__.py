"""Pascal VOC: boxes in one XML file per image, and masks of classes where there are some."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from skipbench.bench.data.annotations import IGNORED, Boxes, Mask
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.files.entry import Entry, Found
from skipbench.bench.data.files.source import Chosen, FileSource, missing_folder
from skipbench.bench.data.pixels import Problem, images_by_name
from skipbench.bench.data.voc.annotation import Annotation, read_annotation
from skipbench.bench.data.voc.listing import Listed, listed_images

PASCAL_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

__all__ = ["PASCAL_CLASSES", "Voc"]


@register_dataset("voc")
class Voc(FileSource):
    """Where a Pascal VOC dataset lies: JPEGImages/, Annotations/<name>.xml, ImageSets/Main/{train,val,test}.txt.

    Without a list of training images, trainval.txt is that list; without any list, all images are for training;
    a missing val or test takes one in five of the training images.

    `read` says what is read. "boxes": corners are counted from 1 and belong to the box, so that it covers
    xmin - 1 to xmax; one marked as difficult is ignored; the classes are the names that occur, sorted. "masks":
    SegmentationClass/<name>.png, listed in ImageSets/Segmentation where there is such a folder; 255 counts
    nowhere. By default boxes, and masks where every listed image has one.
    """

    layout: ClassVar[str] = "JPEGImages/ and Annotations/<name>.xml"
    split_files: ClassVar[str] = "ImageSets/Main/{split}.txt"

    read: Chosen[Literal["boxes", "masks"]] | None = None
    ignore_index: int | None = Field(IGNORED, ge=0, le=IGNORED)  # the mask value that counts nowhere

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return the first of the two folders that `root` lacks."""
        return missing_folder(root, "JPEGImages", "Annotations")

    def find(self) -> Found:
        """Return the listed images with their annotations; every XML file is read."""
        listed, problems, notes = listed_images(self.place, self._lists())
        found = Found(problems=problems, notes=notes)
        annotations = self._annotations(listed, found)
        masks = self._masks(listed, found)
        names = tuple(sorted({name for each in annotations.values() for name in each.names}))
        if masks is not None:
            found.annotations.append(self._mask(names))
            listed = [each for each in listed if each.name in masks]
        if self._reads_boxes:
            found.annotations += [Boxes(names)] if names else []
            listed = [each for each in listed if each.name in annotations]
        found.entries = [self._entry(each, annotations.get(each.name), masks, names) for each in listed]
        return found

    @property
    def _reads_boxes(self) -> bool:
        return self.read is None or "boxes" in self.read

    def _lists(self) -> Path:
        """Return the folder whose text files list the images of each split."""
        folder = self.place / "ImageSets/Segmentation"
        return folder if self.read and "masks" in self.read and folder.is_dir() else folder.with_name("Main")

    def _annotations(self, listed: list[Listed], found: Found) -> dict[str, Annotation]:
        """Return what each image's XML file says; one that cannot be used is a problem where boxes are read."""
        files = {each.name: self.place / "Annotations" / f"{each.name}.xml" for each in listed}
        reading = found if self._reads_boxes else Found()
        read = {name: reading.read(read_annotation, file, self.place) for name, file in files.items()}
        return {name: annotation for name, annotation in read.items() if annotation}

    def _masks(self, listed: list[Listed], found: Found) -> dict[str, Path] | None:
        """Return the mask file of each image that has one, None where masks are not read."""
        folder = self.place / "SegmentationClass"
        masks = {name: files[0] for name, files in images_by_name(folder).items()}
        absent = [each.name for each in listed if each.name not in masks]
        if self.read is None:
            return masks if not absent and listed else None
        if "masks" not in self.read:
            return None
        found.problems += [Problem(f"{folder.name}/{name}.png", "is missing, but listed") for name in absent]
        return masks

    def _mask(self, names: tuple[str, ...]) -> Mask:
        """Return what mask values mean: 0 background, then the classes by name, or Pascal's own."""
        classes = PASCAL_CLASSES if set(names) <= set(PASCAL_CLASSES) else names
        return Mask.named(("background", *classes) if names else (), self.ignore_index)

    def _entry(
        self, listed: Listed, annotation: Annotation | None, masks: dict[str, Path] | None, names: tuple[str, ...]
    ) -> Entry:
        truth: dict[type, Any] = {Mask: masks[listed.name]} if masks else {}
        source = self.place / "Annotations" / f"{listed.name}.xml"
        if not (annotation and self._reads_boxes):
            return Entry(listed.split, listed.name, listed.image, source, truth)
        truth[Boxes] = annotation.objects(names)
        return Entry(listed.split, listed.name, listed.image, source, truth, annotation.size)
