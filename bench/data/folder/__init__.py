"""Your own images: a folder of images and masks, one class per pixel."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy.typing as npt
from pydantic import Field, field_validator

from bench.data.base import SPLITS, CachedDataset, Data, DataInfo, DataSource, Sample, register_dataset
from bench.data.folder.check import Examined, check_folder, examine
from bench.data.folder.labels import checked_names
from bench.data.folder.layout import Pair, Problem
from bench.data.folder.pixels import LARGEST_VALUE, load_image, load_mask
from bench.data.folder.splits import divide
from bench.errors import DataError
from bench.records import content_hash

__all__ = ["Folder", "Problem", "check_folder"]

Pixels = Annotated[int, Field(ge=1)]


@register_dataset("folder")
class Folder(DataSource):
    """Where the images lie and how they are read: images/<split>/<name>.jpg, masks/<split>/<name>.png.

    A split is train, val or test; a missing val or test takes one in five of the training images.
    All images are resized to `size`, whatever their own aspect.

    The k-th of `classes` (from 0) is the class of mask value k; a class named "unlabelled" or "void"
    counts nowhere, nor does the value `ignore_index`. Without `classes`, a file classes.txt in the
    folder names them, one a line; without that, every value that a mask holds is a class.
    """

    root: Path
    size: tuple[Pixels, Pixels] = (96, 96)  # (H, W)
    classes: tuple[str, ...] | None = None
    ignore_index: int | None = Field(255, ge=0, le=LARGEST_VALUE)

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return classes and checked_names(classes)

    def open(self) -> Data:
        """Decode every file once and return the data. Raises DataError, which names the first wrong file."""
        found = examine(self.root, self.classes, self.ignore_index)
        if found.problems:
            raise DataError(_summary(self.root, found.problems))
        splits, notes = divide(found.pairs)
        read = partial(_sample, size=self.size, lookup=found.labels.lookup())
        train, val, test = (
            CachedDataset(partial(read, splits[split]), len(splits[split]), self.size) for split in SPLITS
        )
        info = DataInfo(
            name=self.root.resolve().name,
            classes=found.labels.names,
            ignore_index=found.labels.ignore_index,
            size=self.size,
            counts={split: len(splits[split]) for split in SPLITS},
            fingerprint=self._fingerprint(found),
            notes=tuple(note for note in (*notes, found.labels.note) if note),
        )
        return Data(train, val, test, info)

    def _fingerprint(self, found: Examined) -> str:
        """Return a hash of every file's place and content, and of how they are read."""
        pairs = zip(found.pairs, found.digests, strict=True)
        files = [[pair.split, pair.name, *digests] for pair, digests in pairs]
        classes = [found.labels.names, found.labels.values]
        return content_hash({"files": files, "classes": classes, "size": self.size})


def _sample(pairs: list[Pair], index: int, size: tuple[int, int], lookup: npt.NDArray[Any]) -> Sample:
    pair = pairs[index]
    return {"image": load_image(pair.image, size), "mask": load_mask(pair.mask, size, lookup)}


def _summary(root: Path, problems: list[Problem]) -> str:
    more = len(problems) - 1
    rest = f"; {more} more file(s) cannot be used" if more else ""
    return f"data folder {root}: {problems[0]}{rest}."
