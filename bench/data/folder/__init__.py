"""Your own images: a folder of images and masks, one class per pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from skipbench.bench.data.annotations.classes import CLASSES_FILE, Rule
from skipbench.bench.data.annotations.mask import Mask
from skipbench.bench.data.base import SPLITS, register_dataset
from skipbench.bench.data.files.class_lists import distinct, find_class_list
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.lists import assigned_splits, find_lists
from skipbench.bench.data.files.locating import images_below
from skipbench.bench.data.files.pairs import pair_up, place_of
from skipbench.bench.data.files.source import FileSource
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.folder.partners import Partners
from skipbench.bench.data.folder.roles import lying_in, one_each, sort_out
from skipbench.bench.data.pictures.masks import MAX_MASK_VALUE
from skipbench.bench.data.splits import KNOWN

_MANY = {".tif", ".tiff", ".gif", ".webp"}  # types of files that may hold several images
_UNROLLED = "{} file(s) hold several images, each of which is one, with its own mask"
Level = Annotated[int, Field(ge=0, le=255)]
Value = Annotated[int, Field(ge=0, le=MAX_MASK_VALUE)]


@register_dataset("folder")
class Folder(FileSource):
    """Where the images lie and how they are read: images/<split>/<name>.jpg, masks/<split>/<name>.png.

    Without splits the images lie in images/ and the masks in masks/; other usual names are known too, such as
    train/ and trainannot/, images/training/ and annotations/training/, or x.jpg beside x_mask.png. `images` and
    `masks` name folders of the two, wherever they are, and `mask_end` what masks are called by ("_seg"). A split is
    told by a folder, or by a list such as train.txt; a missing val or test takes one in five of the training
    images. All images are resized to `size`, whatever their own aspect.

    The k-th of `classes` (from 0) is the class of mask value k, or {value: name} says which; `colors` are {name:
    [red, green, blue]} of masks that are coloured. Without them, a file in the folder names the classes
    (classes.txt, one a line, or labelmap.txt, _classes.csv, class_names.txt with their own forms); without that,
    every value or colour that a mask holds is a class. One named "unlabelled" or "void" is ignored, and so is the
    value `ignore_index`.
    """

    layout: ClassVar[str] = "images/<split>/<name>.jpg and masks/<split>/<name>.png, or the same without splits"
    split_files: ClassVar[str] = "images/{split} and masks/{split}"
    yields_to: ClassVar[tuple[str, ...]] = ("voc",)

    images: str | None = None
    masks: str | None = None
    mask_end: str | None = None
    classes: tuple[str, ...] | dict[Value, str] | None = None
    colors: dict[str, tuple[Level, Level, Level]] | None = None
    ignore_index: Value | None = 255

    @field_validator("classes", mode="before")
    @classmethod
    def _by_value(cls, classes: Any) -> Any:
        """Refuse {name: value}, which is the wrong way round."""
        if isinstance(classes, dict) and classes and all(type(value) is int for value in classes.values()):
            turned = ", ".join(f"{value}: {name}" for name, value in classes.items())
            raise ValueError(f"expected the value first, then the name: {{{turned}}}.")
        return classes

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...] | dict[int, str] | None) -> tuple[str, ...] | dict[int, str] | None:
        if classes is not None:
            _two(distinct(list(classes.values() if isinstance(classes, dict) else classes)))
        return classes

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return what the folder `root` lacks: images, or masks."""
        images, masks = sort_out(images_below(root), root)
        if images and masks:
            return ""
        return "folder images/" if not images else "folder masks/"

    def lacks(self) -> str:
        """Return what its folder lacks: images, or masks, where the options do not say where these are."""
        if self.images is None and self.masks is None:
            return self.missing(self.place)
        images, masks = self._files(Found())
        if images and masks:
            return ""
        return f"masks in {self.masks or 'masks'}/" if images else f"images in {self.images or 'images'}/"

    def find(self) -> Found:
        """Return the pairs of image and mask."""
        found = Found()
        found.annotations = [Mask(rule=self._rule(found))]
        images, masks = self._files(found)
        pairs = pair_up(images, masks, self.place, self.mask_end or "")
        Partners(self.place, pairs, found).complain(self.layout)
        splits = self._splits(list(pairs.of), found)
        for split in SPLITS:
            for image, mask in pairs.of.items():
                if splits.get(image) == split:
                    found.entries += self._entries(split, image, mask, found)
        bare = {place_of(image, self.place).split for image in pairs.lone_images}
        if splits and "train" not in {*splits.values(), *bare}:
            found.problems.append(Problem("images/train", "contains no images"))
        return found

    def _files(self, found: Found) -> tuple[list[Path], list[Path]]:
        every = images_below(self.place)
        images, masks = sort_out(every, self.place)
        if self.masks is not None:
            masks = lying_in(every, self.place, self.masks)
        if self.images is not None:
            images = lying_in(every, self.place, self.images)
        taken = {*masks}
        images = [path for path in images if path not in taken]
        return images, one_each(masks, self.place, self.mask_end, found)

    def _rule(self, found: Found) -> Rule:
        """Return what is given of the classes, by the options or by a file, and of ignored pixels."""
        insists = "ignore_index" in self.model_fields_set
        return replace(self._given(found), ignored=self.ignore_index, insists=insists)

    def _given(self, found: Found) -> Rule:
        if self.colors:
            return Rule(tuple(self.colors), colours=tuple(self.colors.values()), source="data.colors")
        if isinstance(self.classes, dict):
            return Rule(tuple(self.classes.values()), values=tuple(self.classes))
        if self.classes is not None:
            return Rule(self.classes)
        listed = find_class_list(found, self.place)
        if listed is None:
            return Rule()
        try:
            _two(listed.names)
        except ValueError as error:
            path = listed.path.relative_to(self.place).as_posix()
            found.problems.append(Problem(path, str(error).rstrip(".")))
        return Rule(listed.names, listed.values, listed.colours, source=listed.path.name)

    def _path(self, path: Path) -> str:
        return path.relative_to(self.place).as_posix()

    def _splits(self, images: list[Path], found: Found) -> dict[Path, str]:
        """Return the split of each image: by its folders, by a list, or all for training."""
        told = {image: place_of(image, self.place).split for image in images}
        if any(told.values()):
            outside = [image for image in images if not told[image]]
            if outside:
                found.left_out += [
                    Problem(self._path(image), f"is in no split; expected {KNOWN}") for image in outside
                ]
            return told
        try:
            lists = find_lists(self.place)
        except FileError as error:
            found.problems.append(error.problem(self.place))
            return {}
        return assigned_splits(lists, images, self.place, found) if lists else dict.fromkeys(images, "train")

    def _entries(self, split: str, image: Path, mask: Path, found: Found) -> Iterator[Entry]:
        """Yield the entry of a pair, or one for each of the images that its files hold."""
        place = place_of(image, self.place)
        name = "/".join((*place.folders, place.stem))
        counts = [self._frames(path) for path in (image, mask)]
        if counts == [1, 1]:
            yield Entry(split, name, image, mask, {Mask: mask})
        elif counts[0] == counts[1]:
            found.counted.add(_UNROLLED, self._path(image))
            for frame in range(counts[0]):
                yield Entry(split, f"{name}[{frame}]", image, mask, {Mask: mask}, frame=frame)
        else:
            words = (
                f"holds {counts[0]} image(s), its mask {counts[1]}; expected as many, or data.channels={counts[0]}"
            )
            found.left_out.append(Problem(self._path(image), words))

    def _frames(self, path: Path) -> int:
        if path.suffix.lower() not in _MANY:
            return 1
        try:
            return self.opening.opener.header(path).frames
        except FileError:  # of which the check of all files will speak
            return 1


def _two(names: tuple[str, ...]) -> None:
    if len(names) < 2:
        raise ValueError(f"names fewer than two classes ({len(names)}).")


def check_folder(root: Path, classes: Sequence[str] | None = None, ignore_index: int | None = 255) -> list[Problem]:
    """Return everything that keeps a file of the folder `root` from being used."""
    folder = Folder(root=root, classes=tuple(classes) if classes else None)
    if ignore_index != 255:
        folder = Folder(root=root, classes=folder.classes, ignore_index=ignore_index)
    return folder.survey().problems


__all__ = ["CLASSES_FILE", "Folder", "check_folder"]
