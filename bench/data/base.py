"""What every dataset offers: three splits of samples, a description, and a name to open it by."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.utils.data import Dataset

from archs.registry import Registry
from bench.data.sides import Sides, pair_sides
from bench.validation import parse

Sample = dict[str, Tensor]
SPLITS = ("train", "val", "test")
IGNORED = 255  # the mask value of pixels that count nowhere

_CACHE_BYTES = 1 << 30  # what one split keeps in memory at most


@dataclass(frozen=True)
class DataInfo:
    """What a dataset holds: masks where it has `classes`, boxes where it has `objects`, figures where `joints`.

    Mask values are indices into `classes`, or `ignore_index`; labels of boxes are indices into `objects`.
    """

    name: str
    classes: tuple[str, ...]
    ignore_index: int
    size: tuple[int, int]  # of every image, (H, W) in pixels
    counts: dict[str, int]  # split -> samples
    fingerprint: str  # hash of all that determines the samples' content
    notes: tuple[str, ...] = ()  # what was decided for the user, each with the option that changes it
    objects: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()  # pairs of joints to draw a line between
    reference: tuple[int, int] | None = None  # the joints whose distance is a figure's length
    size_limits: tuple[float, float] | None = None  # sides of squares: small < first <= medium < second <= large
    mirror: tuple[tuple[str, str], ...] = ()  # names that change places in a mirror, where they don't tell so

    @cached_property
    def sides(self) -> dict[str, Sides]:
        """How "joints", "classes" and "objects" change places in a mirror; single letters count for joints only."""
        names = {"joints": self.joints, "classes": self.classes, "objects": self.objects}
        return {
            what: pair_sides(each, [pair for pair in self.mirror if {*pair} <= {*each}], letters=what == "joints")
            for what, each in names.items()
        }

    @property
    def limits(self) -> tuple[float, float]:
        """The size limits in px as the network sees images; by default 1/6 and 1/3 of the shorter side."""
        return self.size_limits or (min(self.size) / 6, min(self.size) / 3)


@dataclass(frozen=True)
class Data:
    """A dataset: its splits and what is in them.

    A sample holds "image" (3, H, W) uint8 and, of what its dataset has (in pixels; pixel i covers i to i + 1),
    - "mask" (H, W) int64, and perhaps "instances" (H, W) uint8: 0, or k for a pixel of the k-th box's object;
    - "boxes" (n, 4) float32 x1, y1, x2, y2, "labels" (n,) int64 and "ignored" (n,) bool: objects that are
      neither to be found nor wrong to be found (a crowd, or marked as difficult);
    - for F figures of J joints "joints" (F, J, 2) float32 x, y (NaN: not annotated) and "visibility" (F, J)
      uint8: 0 not annotated or outside the image, 1 hidden, 2 visible.
    """

    train: Dataset[Sample]
    val: Dataset[Sample]
    test: Dataset[Sample]
    info: DataInfo


def inside(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which points (..., 2), x, y in px, lie in an image of `size` (H, W); NaN does not."""
    return ((points >= 0) & (points < points.new_tensor([size[1], size[0]]))).all(-1)


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return labels (..., h, w) at `size`, each pixel the nearest of the given ones.

    Where two are equally near, which every halving is full of, it is now the one, now the other: torch takes
    the right and the lower one always, and so moves masks against their images by a quarter of a pixel.
    """
    rows, columns = (_nearest(have, want) for have, want in zip(labels.shape[-2:], size, strict=True))
    return labels[..., rows.to(labels.device), :][..., columns.to(labels.device)]


def _nearest(have: int, want: int) -> Tensor:
    """Return for each of `want` pixels over a length the index of the nearest of the `have` over it."""
    number = torch.arange(want)
    doubled = (2 * number + 1) * have  # twice the pixel's middle, in given pixels, times `want`
    after, before = doubled // (2 * want), (doubled - 1) // (2 * want)
    return torch.where(number % 2 == 0, after, before)


class DataSource(BaseModel, ABC):
    """A kind of dataset; the fields are its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def open(self) -> Data:
        """Check the data and return it. Raises DataError."""


DATASETS: Registry[type[DataSource]] = Registry("dataset")


def register_dataset(name: str) -> Callable[[type[DataSource]], type[DataSource]]:
    """Return the decorator that files a DataSource under `name`. Raises DuplicateNameError."""
    return DATASETS.register(name)


def open_data(name: str = "scenes", root: Path | str | None = None, **options: Any) -> Data:
    """Return the dataset `name`, with its own options; `root` is the folder of one that lies on disk.

    Raises UnknownNameError for the name, SuiteError for an option, DataError for the data themselves.
    """
    place = {} if root is None else {"root": root}
    return parse(DATASETS[name], place | options, place="data").open()


class CachedDataset(Dataset[Sample]):
    """The samples that `make` returns for 0 ... `count` - 1, each made once, on first use, then kept.

    `make` returns the mask in whatever integer type is small; a sample carries it as int64. Samples
    past the first GiB of images, masks and instances are not kept but made anew each time.
    """

    def __init__(self, make: Callable[[int], Sample], count: int, size: tuple[int, int]) -> None:
        self._make = make
        self._count = count
        self._kept_count = _CACHE_BYTES // (5 * size[0] * size[1])
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        """Return a sample the caller may change. Raises IndexError past the end."""
        if not 0 <= index < self._count:
            raise IndexError(f"sample {index} of {self._count}")
        sample = self._kept.get(index) or self._make(index)
        if index < self._kept_count:
            self._kept[index] = sample
        return {key: value.long() if key == "mask" else value.clone() for key, value in sample.items()}
