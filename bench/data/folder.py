"""Your own images: a folder of images and masks, one class per pixel."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from skipbench.bench.data.annotations.mask import CLASSES_FILE, Mask, checked_names, read_names
from skipbench.bench.data.base import SPLITS, register_dataset
from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.source import FileSource, missing_folder
from skipbench.bench.data.pixels import MAX_MASK_VALUE, FileError, Problem, images_by_name

LOSSLESS = {".bmp", ".png", ".tif", ".tiff"}  # types of masks


@register_dataset("folder")
class Folder(FileSource):
    """Where the images lie and how they are read: images/<split>/<name>.jpg, masks/<split>/<name>.png.

    A split is train, val or test; a missing val or test takes one in five of the training images.
    All images are resized to `size`, whatever their own aspect.

    The k-th of `classes` (from 0) is the class of mask value k; a class named "unlabelled" or "void"
    is ignored, and so is the value `ignore_index`. Without `classes`, a file classes.txt in the
    folder names them, one a line; without that, every value that a mask holds is a class.
    """

    layout: ClassVar[str] = "images/<split>/<name>.jpg and masks/<split>/<name>.png"
    split_files: ClassVar[str] = "images/{split} and masks/{split}"

    upright: bool = True
    classes: tuple[str, ...] | None = None
    ignore_index: int | None = Field(255, ge=0, le=MAX_MASK_VALUE)

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


def find_pairs(root: Path) -> tuple[list[Entry], list[Problem]]:
    """Return all pairs in the order of splits and names, and what is wrong with the layout.

    Hidden files and files that are not images are passed over.
    """
    kinds = (root / "images", root / "masks")
    folders = sorted(path for kind in kinds for path in kind.iterdir() if path.is_dir())
    problems = [
        Problem(path.relative_to(root).as_posix(), f"is not a split; expected {', '.join(SPLITS)}")
        for path in folders
        if path.name not in SPLITS and not path.name.startswith(".")
    ]
    pairs: list[Entry] = []
    for split in SPLITS:
        if split == "train" or split in {path.name for path in folders}:
            split_pairs, split_problems = _pair_up(root, split)
            pairs += split_pairs
            problems += split_problems
    return pairs, problems


def _pair_up(root: Path, split: str) -> tuple[list[Entry], list[Problem]]:
    """Return the pairs of one split and its files that have no partner or more than one."""
    images, masks = (images_by_name(root / kind / split) for kind in ("images", "masks"))
    problems = [] if images else [Problem(f"images/{split}", "contains no images")]
    pairs = []
    for name in sorted(images | masks):
        image_files, mask_files = images.get(name, []), masks.get(name, [])
        problem = _mismatch(split, name, image_files, mask_files)
        if problem:
            problems.append(problem)
        else:
            pairs.append(Entry(split, name, image_files[0], mask_files[0], {Mask: mask_files[0]}))
    return pairs, problems


def _mismatch(split: str, name: str, images: list[Path], masks: list[Path]) -> Problem | None:
    for kind, files in (("images", images), ("masks", masks)):
        if len(files) > 1:
            others = ", ".join(file.name for file in files[1:])
            return Problem(f"{kind}/{split}/{files[0].name}", f"has the same name as {others}")
    if not masks:
        return Problem(f"images/{split}/{images[0].name}", f"has no mask; expected masks/{split}/{name}.png")
    mask = f"masks/{split}/{masks[0].name}"
    if not images:
        return Problem(mask, f"has no image; expected one named images/{split}/{name}.*")
    if masks[0].suffix.lower() not in LOSSLESS:
        return Problem(mask, f"is not stored losslessly; expected {name}.png")
    return None
