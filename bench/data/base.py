"""What every dataset offers: three splits of samples, a description, and a name to open it by."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from torch.utils.data import Dataset

from skipbench.bench.data.annotations import KEYS, Annotation, Sample
from skipbench.bench.data.pictures.scaling import Scaling
from skipbench.bench.data.windows import Resize
from skipbench.bench.errors import BenchError
from skipbench.bench.validation import parse
from skipbench.registry import Registry

Kind = TypeVar("Kind", bound=Annotation)
SPLITS = ("train", "val", "test")

_CACHE_BYTES = 1 << 30  # what one split keeps in memory at most


@dataclass(frozen=True)
class DataInfo:
    """What a dataset holds and what is annotated on its images; `info[Mask].names` are the classes of its masks."""

    name: str
    size: tuple[int, int]  # of every image, (H, W) in pixels
    counts: dict[str, int]  # split -> samples
    fingerprint: str  # hash of all that determines the samples' content
    annotations: tuple[Annotation, ...] = ()  # of every image, one of each kind
    notes: tuple[str, ...] = ()  # what was decided for the user, each with the option that changes it
    size_limits: tuple[float, float] | None = None  # sides of squares: small < first <= medium < second <= large
    bare: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # annotation's plural -> splits that show none
    scaling: Scaling = field(default_factory=Scaling)  # how images came to have 8 bits, and as many channels
    opening: Mapping[str, Any] = field(default_factory=dict)  # by which files are opened, where not as usual
    resize: Resize = "stretch"  # how images of other sizes come to `size`
    overlap: float = 0.0  # the part of a side that windows of an image share, where it is seen in some
    windows: float = 1.0  # in which an image is scored, on average
    own_pixels: bool = False  # whether images are scored at their own sizes, not as they are seen
    fold: tuple[int, int] | None = None  # of a cross-validation: which one is the test, from 0, and of how many

    def __contains__(self, kind: type[Annotation]) -> bool:
        return any(type(annotation) is kind for annotation in self.annotations)

    def __getitem__(self, kind: type[Kind]) -> Kind:
        """Return the annotation of that kind. Raises KeyError where there is none."""
        for annotation in self.annotations:
            if type(annotation) is kind:
                return annotation
        raise KeyError(f"{self.name} has no {kind.plural}")

    def of(self, kinds: Iterable[type[Annotation]]) -> list[Annotation]:
        """Return those of the `kinds` that there are."""
        return [self[kind] for kind in kinds if kind in self]

    def keys(self, kinds: Iterable[type[Annotation]]) -> tuple[str, ...]:
        """Return the keys of a sample that hold those of the `kinds` that there are."""
        return tuple(key for annotation in self.of(kinds) for key in annotation.keys)

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader of scores must know of the data; `size_limits_px` are sides of squares."""
        facts: dict[str, Any] = {
            "size": list(self.size),
            "counts": self.counts,
            "size_limits_px": list(self.limits),
        }
        if self.scaling != Scaling():
            facts["scaling"] = self.scaling.facts
        if self.opening:
            facts["opening"] = dict(self.opening)
        if self.resize != "stretch":
            facts |= {"resize": self.resize, "overlap": self.overlap}
        if self.own_pixels:
            facts["own_pixels"] = True
        if self.fold:
            facts["fold"] = list(self.fold)
        for annotation in self.annotations:
            facts |= annotation.facts
        return facts

    @property
    def channels(self) -> int:
        """How many channels every image has."""
        return self.scaling.channels

    @property
    def limits(self) -> tuple[float, float]:
        """The size limits in the px in which images are scored; by default 1/6 and 1/3 of `size`'s shorter side."""
        return self.size_limits or (min(self.size) / 6, min(self.size) / 3)


@dataclass(frozen=True)
class Data:
    """A dataset: its splits and what is in them.

    A sample holds "image" (C, H, W) uint8 and the keys of its dataset's annotations, as each of these says.
    """

    train: Dataset[Sample]
    val: Dataset[Sample]
    test: Dataset[Sample]
    info: DataInfo
    folds: tuple["Data", ...] = ()  # of a cross-validation, of which this is the first

    def called(self, name: str) -> "Data":
        """Return the same under another name."""
        folds = tuple(replace(fold, info=replace(fold.info, name=name)) for fold in self.folds)
        return replace(self, info=replace(self.info, name=name), folds=folds)

    def of_seed(self, seed: int) -> "Data":
        """Return the fold that a seed trains and tests on; all of it where there are none."""
        return self.folds[seed % len(self.folds)] if self.folds else self


class DataSource(BaseModel, ABC):
    """A kind of dataset; the fields are its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def example(cls, folder: Path) -> "DataSource":
        """Return a small instance for its contract, by default one without options.

        One that is read from files writes some into the empty `folder`: a few images of each split, with every
        class or joint.
        """
        return cls()

    @abstractmethod
    def open(self) -> Data:
        """Check the data and return it. Raises DataError."""


DATASETS: Registry[type[DataSource]] = Registry("dataset", DataSource, BenchError)


def register_dataset(name: str) -> Callable[[type[DataSource]], type[DataSource]]:
    """Return the decorator that registers a DataSource under `name`. Raises BenchError where it is taken."""
    return DATASETS.register(name)


def open_data(name: str = "scenes", root: Path | str | None = None, **options: Any) -> Data:
    """Return the dataset `name`, with its own options; `root` is the folder of one that lies on disk.

    Raises BenchError for an unknown name, SuiteError for an option, DataError for the data themselves.
    """
    place = {} if root is None else {"root": root}
    return parse(DATASETS[name], place | options, place="data").open()


class Part(Dataset[Sample]):
    """Some samples of a dataset, which holds them for all its parts."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self._dataset, self._indices = dataset, indices

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def kept_count(self) -> int:
        """How many of the first samples stay in memory."""
        kept = (number for number, index in enumerate(self._indices) if index >= self._dataset.kept_count)
        return next(kept, len(self))

    def holds(self, index: int) -> bool:
        """Return whether a sample is in memory."""
        held = getattr(self._dataset, "holds", None)
        return bool(held and held(self._indices[index]))

    def __getitem__(self, index: int) -> Sample:
        """Return a sample the caller may change. Raises IndexError past the end."""
        sample: Sample = self._dataset[self._indices[index]]
        return sample

    def whole(self, index: int) -> Sample:
        """Return the sample of an image at its own size."""
        sample: Sample = self._dataset.whole(self._indices[index])
        return sample


class CachedDataset(Dataset[Sample]):
    """The samples that `make` returns for 0 ... `count` - 1, each made once, on first use, then kept.

    `make` returns values in whatever type is small; a sample has those that its annotations say. Samples
    past the first GiB of images, masks and instances, of `size` (H, W), are not kept but made anew each time.

    Where images have sizes of their own, `whole` returns the sample of one at its own size, or `shown` makes of a
    sample, which then is of an image's own size, what a network is given.
    """

    def __init__(
        self,
        make: Callable[[int], Sample],
        count: int,
        size: tuple[int, int],
        whole: Callable[[int], Sample] | None = None,
        shown: Callable[[Sample], Sample] | None = None,
    ) -> None:
        self._make, self._whole, self._shown = make, whole, shown
        self._count = count
        self.kept_count = _CACHE_BYTES // (5 * size[0] * size[1])
        self._kept: dict[int, Sample] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is kept here: another process makes its own."""
        return {**self.__dict__, "_kept": {}}

    def __len__(self) -> int:
        return self._count

    def holds(self, index: int) -> bool:
        """Return whether a sample is in memory."""
        return index in self._kept

    def __getitem__(self, index: int) -> Sample:
        """Return a sample the caller may change. Raises IndexError past the end."""
        if not 0 <= index < self._count:
            raise IndexError(f"sample {index} of {self._count}")
        sample = self._kept.get(index) or self._make(index)
        if index < self.kept_count:
            self._kept[index] = sample
        return _as_stored(self._shown(sample) if self._shown else sample)

    def whole(self, index: int) -> Sample:
        """Return the sample of an image at its own size, which the caller may change."""
        if self._whole:
            return _as_stored(self._whole(index))
        return _as_stored(self._kept.get(index) or self._make(index))


def _as_stored(sample: Sample) -> Sample:
    return {
        key: value.to(KEYS[key].dtype if key in KEYS else value.dtype, copy=True) for key, value in sample.items()
    }
