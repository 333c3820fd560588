"""Your own images: a folder of images and masks, one class per pixel."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from skipbench.bench.data.annotations.mask import CLASSES_FILE, Mask, checked_names, read_names
from skipbench.bench.data.base import register_dataset
from skipbench.bench.data.files.entry import Found
from skipbench.bench.data.files.source import FileSource, missing_folder
from skipbench.bench.data.folder.layout import find_pairs
from skipbench.bench.data.pixels import LARGEST_VALUE, FileError, Problem

__all__ = ["Folder", "check_folder"]


@register_dataset("folder")
class Folder(FileSource):
    """Where the images lie and how they are read: images/<split>/<name>.jpg, masks/<split>/<name>.png.

    A split is train, val or test; a missing val or test takes one in five of the training images.
    All images are resized to `size`, whatever their own aspect.

    The k-th of `classes` (from 0) is the class of mask value k; a class named "unlabelled" or "void"
    counts nowhere, nor does the value `ignore_index`. Without `classes`, a file classes.txt in the
    folder names them, one a line; without that, every value that a mask holds is a class.
    """

    layout: ClassVar[str] = "images/<split>/<name>.jpg and masks/<split>/<name>.png"
    split_files: ClassVar[str] = "images/{split} and masks/{split}"

    upright: bool = True
    classes: tuple[str, ...] | None = None
    ignore_index: int | None = Field(255, ge=0, le=LARGEST_VALUE)

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return classes and checked_names(classes)

    @classmethod
    def missing(cls, root: Path) -> str:
        """Return the first of the two folders that `root` lacks."""
        return missing_folder(root, "images", "masks")

    def find(self) -> Found:
        """Return the pairs of image and mask."""
        entries, problems = find_pairs(self.place)
        classes = self.classes
        file = self.place / CLASSES_FILE
        if classes is None and file.exists():
            try:
                classes = read_names(file)
            except FileError as error:
                problems.append(Problem(CLASSES_FILE, error.reason))
        return Found(entries, problems, annotations=[Mask.named(classes or (), self.ignore_index)])


def check_folder(root: Path, classes: Sequence[str] | None = None, ignore_index: int | None = 255) -> list[Problem]:
    """Return everything that keeps the folder `root` from being used, at most one finding per pair of files."""
    return (
        Folder(root=root, classes=tuple(classes) if classes else None, ignore_index=ignore_index).survey().problems
    )
