"""COCO JSON: boxes, masks as polygons or run lengths, keypoints with visibility."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from skipbench.bench.data.annotations import Joints
from skipbench.bench.data.assembling import Crowds, Kind, Shown, Wanted, assemble
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.coco.classes import class_names, people_in
from skipbench.bench.data.coco.content import Content, boxes_in, read_content
from skipbench.bench.data.coco.files import (
    annotating,
    annotation_files,
    chosen_files,
    files_for,
    image_folders,
    splits_of,
)
from skipbench.bench.data.coco.units import Box
from skipbench.bench.data.files.entries import Found
from skipbench.bench.data.files.fitting import reach_of
from skipbench.bench.data.files.locating import Images, images_below, is_of_masks
from skipbench.bench.data.files.source import Chosen, FileSource
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.instances import Instance
from skipbench.bench.validation import LATER

Files = Annotated[  # split -> one file or several, in the dataset's folder
    dict[str, tuple[str, ...]],
    BeforeValidator(
        lambda given: (
            {key: [value] if isinstance(value, str) else value for key, value in given.items()}
            if isinstance(given, dict)
            else given
        )
    ),
]


_EMPTY = "{} image(s) have no annotation and are taken to show no objects; data.unannotated=drop leaves them out"
_DROPPED = "{} image(s) have no annotation and are left out; data.unannotated=empty takes them to show no objects"
_UNLISTED = "{} image(s) are in no annotation file, and are not used"


@register_dataset("coco")
class Coco(FileSource):
    """Where a COCO dataset lies: JSON files in annotations/, in the folder itself or beside the images.

    A file's name, or its folder's, tells its split (instances_train2017.json, valid/_annotations.coco.json); one
    without a split is for training, and not read where others have one. `files` names those of each split instead,
    {train: a.json, val: b.json}. Several files of a split are joined: what they say of one object is merged. The
    images lie anywhere in the folder.

    `read` says what is read; by default all that there is, masks where most objects have one. Classes are the
    categories in the order of their ids; one that is never annotated and stands above others is none, unless
    `supercategories` is set. In masks, 0 is background, a smaller object lies over a larger one, and pixels of
    crowds are ignored; `crowds` says whether crowds are objects like any other. Keypoints are of the one category
    that has some, or of `people`, are called as it says, or `joints`, and name pixels, so that half a pixel is
    added to their whole numbers. `rescale` says whether annotations are scaled that state another size than the
    file has; `box`, how boxes are written where it is not as COCO has them; `unannotated`, what a listed image
    without annotations is.
    """

    layout: ClassVar[str] = "annotations/*.json or another JSON file with COCO's images and annotations"
    split_files: ClassVar[str] = "a JSON file with '{split}' in its name"

    read: Chosen[Kind] | None = None
    files: Files | None = None
    crowds: Crowds | None = None
    supercategories: bool = False
    people: str | None = None
    joints: tuple[str, ...] | None = None
    rescale: bool | None = None
    box: Annotated[Box | None, LATER] = None
    unannotated: Annotated[Literal["empty", "drop"], LATER] = "empty"

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return "COCO JSON file" where there is none."""
        return "" if annotation_files(root) else "COCO JSON file"

    def find(self) -> Found:
        """Return the images of all annotation files; every annotation is looked at."""
        found = Found()
        if self.files:
            splits = chosen_files(self.place, self.files)
        else:
            files = annotating(self.place, annotation_files(self.place), found)
            splits = splits_of(self.place, files_for(self.read, files), found)
        contents = self._contents(found, splits)
        every = [content for several in contents.values() for content in several]
        names = class_names(found, every, self.supercategories)
        to_read = self.read is None or "keypoints" in self.read
        people = people_in(found, every, self.people, self.joints, to_read)
        images = Shelf(self, found).images(contents)
        self._count_the_rest(found, images)
        images = [image for image in images if image.instances or self.unannotated == "empty"]
        joints = Joints(people.joints, bones=people.bones) if people else None
        of = people.categories if people else None
        assemble(found, images, Wanted(names, self.read, joints, of, self.crowds))
        return found

    def _count_the_rest(self, found: Found, images: Sequence[Shown]) -> None:
        """Count the images without annotations, and those that no file lists."""
        for image in images:
            if not image.instances:
                found.counted.add(_EMPTY if self.unannotated == "empty" else _DROPPED, image.name)
        listed = {image.path for image in images}
        for path in images_below(self.place):
            place = path.relative_to(self.place)
            if path not in listed and not is_of_masks(place):
                found.counted.add(_UNLISTED, place.as_posix())

    def _contents(self, found: Found, splits: Mapping[Path, str]) -> dict[str, list[Content]]:
        contents: dict[str, list[Content]] = {}
        for path, split in splits.items():
            content = found.read(partial(read_content, counted=found.counted, box=self.box), path, self.place)
            contents.setdefault(split, []).extend([content] if content else [])
        return contents


class Shelf:
    """Takes the images of all files, each once, with what all files of its split say of it."""

    def __init__(self, source: Coco, found: Found) -> None:
        self._source, self._found = source, found
        self._located = Images(source.place, found.counted)
        self._fitting = source.opening.fitting(found.counted, source.rescale)
        self._with_masks = not source.read or "masks" in source.read

    def images(self, contents: Mapping[str, list[Content]]) -> list[Shown]:
        """Return the images in the order of splits and names."""
        every: dict[Path, Shown] = {}
        for split, several in contents.items():
            own: dict[Path, Shown] = {}
            for content in several:
                folders = image_folders(self._source.place, content.path)
                for number, image in content.images.items():
                    path = self._path(content, image.name, folders, every)
                    if path is not None:
                        shown = self._shown(split, content, number, path)
                        own[path] = _joined(own[path], shown) if path in own else shown
            every |= {path: own[path] for path in sorted(own, key=lambda path: own[path].name)}
        return list(every.values())

    def _path(self, content: Content, name: str, folders: list[Path], before: Mapping[Path, Shown]) -> Path | None:
        """Return where the image lies; None, with a reason, where it cannot be used."""
        path = self._located.find(name, folders)
        source = content.path.relative_to(self._source.place).as_posix()
        if path is None:
            self._found.left_out.append(Problem(source, f"lists the image {name}, {self._located.absence(name)}"))
        elif path in before:
            self._found.left_out.append(Problem(source, f"lists {name}, which is already in {before[path].split}"))
            return None
        return path

    def _shown(self, split: str, content: Content, number: str, path: Path) -> Shown:
        stated = content.images[number].size
        annotations = content.annotations.get(number, [])
        try:
            fit = self._fitting.fit(path, stated, reach_of(boxes_in(annotations)))
        except FileError:  # of which the check of all files will speak
            return Shown(split, path.name, path, content.path, ())
        count = partial(self._count, path.name)
        instances = content.instances(number, fit.size, fit.scale, self._with_masks, count)
        name = path.relative_to(self._source.place).as_posix()
        return Shown(split, name, path, content.path, tuple(instances), fit.upright)

    def _count(self, name: str, kind: str) -> None:
        self._found.counted.add(kind, name)


def _joined(one: Shown, other: Shown) -> Shown:
    """Return an image with the objects of both; one that both have is merged."""
    instances: list[Instance] = list(one.instances)
    taken: set[int] = set()
    for instance in other.instances:
        fitting = (k for k, known in enumerate(one.instances) if k not in taken and known.fits(instance))
        match = next(fitting, None)
        if match is None:
            instances.append(instance)
        else:
            taken.add(match)
            instances[match] = one.instances[match].merged(instance)
    return Shown(one.split, one.name, one.path, one.source, tuple(instances), one.upright)
