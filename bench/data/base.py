"""What every dataset offers: three splits of samples, a description, and a name to open it by."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.utils.data import Dataset

from archs.registry import Registry
from bench.validation import parse

Sample = dict[str, Tensor]
SPLITS = ("train", "val", "test")
IGNORED = 255  # the mask value of pixels that count nowhere

_CACHE_BYTES = 1 << 30  # what one split keeps in memory at most


@dataclass(frozen=True)
class DataInfo:
    """What a dataset holds. Mask values are indices into `classes`, or `ignore_index`."""

    name: str
    classes: tuple[str, ...]
    ignore_index: int
    size: tuple[int, int]  # of every image, (H, W) in pixels
    counts: dict[str, int]  # split -> samples
    fingerprint: str  # hash of all that determines the samples' content
    notes: tuple[str, ...] = ()  # what was decided for the user, each with the option that changes it


@dataclass(frozen=True)
class Data:
    """A dataset: its splits and what is in them.

    A sample holds "image" (3, H, W) uint8 and "mask" (H, W) int64. A dataset may add, in pixels,
    "boxes" (n, 4) float32 x1, y1, x2, y2, "labels" (n,) int64, and, for F figures of J joints,
    "joints" (F, J, 2) float32 x, y and "joint_visible" (F, J) bool.
    """

    train: Dataset[Sample]
    val: Dataset[Sample]
    test: Dataset[Sample]
    info: DataInfo


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
    past the first GiB of images and masks are not kept but made anew each time.
    """

    def __init__(self, make: Callable[[int], Sample], count: int, size: tuple[int, int]) -> None:
        self._make = make
        self._count = count
        self._kept_count = _CACHE_BYTES // (4 * size[0] * size[1])
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
