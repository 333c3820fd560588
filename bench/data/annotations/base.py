"""What every kind of annotation declares, so that code that handles samples need not know any kind by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torchvision import tv_tensors

from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.geometry import Field, resize_labels
from skipbench.bench.data.pictures.masks import MaskPixels, mask_pixels
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.sides import Sides, pair_sides
from skipbench.bench.errors import BenchError
from skipbench.registry import Registry

Sample = dict[str, Tensor]
Batch = dict[str, Tensor]  # sample key -> the values of all samples, the first axis counts samples
Array = npt.NDArray[Any]
Colour = tuple[int, int, int]
A = TypeVar("A", bound="Annotation")


class Key(NamedTuple):
    """How the values under one key of a sample are stored."""

    dtype: torch.dtype
    padding: float | None = None  # what fills a batch where an image shows fewer; None: all have one shape


class Picture(NamedTuple):
    """How an image lies on disk, and at which size it is read."""

    width: int
    height: int
    upright: bool  # whether its files are turned as their EXIF orientation says
    frame: int | None = None  # which of the images in its files
    opener: Opener = Opener()

    def mask(self, path: Path) -> MaskPixels:
        """Return what each pixel of its mask `path` says. Raises FileError where that is of another size."""
        stored = self.opener.load(path, self.upright, self.frame)
        if stored.size != (self.width, self.height):
            sizes = f"{stored.size[0]}x{stored.size[1]} pixels, its image {self.width}x{self.height}"
            raise FileError(path, f"has {sizes}; expected equal sizes: resize it by the nearest neighbour")
        return mask_pixels(stored, path)

    def numbers(self, path: Path) -> Array:
        """Return the number of each pixel (H, W) of its mask `path`. Raises FileError where it has colours."""
        values = self.mask(path).values
        if values is None:
            raise FileError(path, "holds colours; expected one number per pixel")
        return values

    def scale(self, size: tuple[int, int]) -> Array:
        """Return the pixels of an image of `size` (H, W) per pixel of the file, (2,) along x and y."""
        return np.array([size[1] / self.width, size[0] / self.height])


class Seen(NamedTuple):
    """What is annotated on one image, mended where it had to be, and what the check found out about it."""

    truth: Any
    facts: Any = None


@dataclass(frozen=True)
class Annotation(ABC):
    """One kind of annotation as a dataset has it; a new kind is a subclass in a file of its own.

    Its truth about one image is a Path where a file per image holds it, else whatever a format's reader makes for
    it, in pixels of the image file; pixel i covers i to i + 1.
    """

    keys: ClassVar[Mapping[str, Key]]  # of its values in a sample
    plural: ClassVar[str]  # "the data have no ..."
    names_are: ClassVar[str] = ""  # what its names are of: "classes"
    legend: ClassVar[str] = ""  # what they are called on a contact sheet; equal names of one legend share a colour
    tallied: ClassVar[str] = ""  # what is counted of each name
    letters: ClassVar[bool] = False  # single letters in names tell left from right too: L_hip, R_hip
    beside: ClassVar[str] = ""  # what does not count as some of it: " beside background"
    unbendable: ClassVar[str] = ""  # why elastic deformation cannot bend it, in words that go on after "bend"

    names: tuple[str, ...] = ()  # what its numbers stand for, by position
    mirror: tuple[tuple[str, str], ...] = ()  # names that change places in a mirror, where they don't tell so

    @cached_property
    def sides(self) -> Sides:
        """How its names change places in a mirror."""
        pairs = [pair for pair in self.mirror if {*pair} <= {*self.names}]
        return pair_sides(self.names, pairs, letters=self.letters)

    @property
    def shown(self) -> tuple[str, ...]:
        """The names that have a colour on a contact sheet."""
        return self.names

    @property
    def reading(self) -> dict[str, Any]:
        """Return what, beside files and options, determines a sample's values: part of the data's fingerprint."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader of the scores must know of it."""
        return {}

    @classmethod
    def recalled(cls, names: tuple[str, ...], facts: Mapping[str, Any]) -> "Annotation":
        """Return an annotation of those names from the facts that a record keeps, for images without a truth."""
        return cls(names)

    def is_in(self, batch: Batch) -> bool:
        """Return whether a batch or a sample has its values."""
        return any(key in batch for key in self.keys)

    # In a batch, whose values have N as their first axis; each returns those of the keys that change.

    def exchanged(self, batch: Batch) -> Batch:
        """Return its values with what is called left called right, and the other way round."""
        return {}

    @abstractmethod
    def movable(self, batch: Batch, size: tuple[int, int]) -> dict[str, Any]:
        """Return its values on images of `size` (H, W) as types that torchvision's v2 moves along with images."""

    def moved(self, values: Batch, batch: Batch, size: tuple[int, int]) -> Batch:
        """Return the moved `values` as a batch stores them, without what is not on the image any more."""
        return {key: values[key] for key in self.keys if key in values}

    def bent(self, batch: Batch, field: Field) -> Batch:
        """Return its values as an elastic deformation bends them; not called where it is `unbendable`."""
        raise NotImplementedError

    def padded(self, sample: Sample, size: tuple[int, int]) -> Sample:
        """Return its values of one sample on an image that is padded to `size` on the right and below."""
        return {}

    def unpadded(self, sample: Sample) -> Sample:
        """Return its values of one sample of a batch without the padding."""
        return {}

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield what is wrong with its values in a sample of images of `size` (H, W), beside their types."""
        yield from ()

    @abstractmethod
    def draw(self, image: Tensor, sample: Sample, factor: int, colours: Mapping[str, Colour]) -> Tensor:
        """Return the image (3, H, W) uint8, enlarged by `factor`, with its values drawn in its names' colours."""

    # In files.

    @abstractmethod
    def examined(self, truth: Any, picture: Picture) -> Seen:
        """Check and mend what is annotated on one image. Raises FileError where that cannot be used."""

    def settled(self, seen: Sequence[Seen]) -> "Annotation":
        """Return this with what only all the images tell."""
        return self

    def fault(self, seen: Seen) -> str:
        """Return why one image cannot be used, now that this is settled, "" where it can."""
        return ""

    def shows(self, seen: Seen) -> bool:
        """Return whether there is something on one image to learn, or to score."""
        return True

    def lacking(self, seen: Sequence[Seen]) -> Iterator[Problem]:
        """Yield why all the images together cannot be used."""
        yield from ()

    def notes(self, seen: Sequence[Seen]) -> Iterator[str]:
        """Yield what was decided for the user, with the option that changes it, and what was mended."""
        yield from ()

    def tally(self, seen: Sequence[Seen]) -> dict[str, int]:
        """Return how many there are under each name, none where nothing is counted."""
        return {}

    @abstractmethod
    def read(self, truth: Any, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return what a sample of `size` (H, W) holds of one image. Raises FileError."""


class PixelMap(Annotation):
    """A value for every pixel (H, W), never mixed with its neighbours' values; by default from a file per image."""

    @property
    def outside(self) -> int:
        """What its pixels are where an image is padded."""
        return 0

    def padded(self, sample: Sample, size: tuple[int, int]) -> Sample:
        """Return it with more pixels on the right and below."""
        return {key: _pad(sample[key], size, self.outside) for key in self.keys}

    def movable(self, batch: Batch, size: tuple[int, int]) -> dict[str, Any]:
        """Return it as a mask, which is moved to the nearest pixel."""
        return {key: tv_tensors.Mask(batch[key]) for key in self.keys}

    def bent(self, batch: Batch, field: Field) -> Batch:
        """Return it with each pixel the nearest of the given ones."""
        return {key: field.bend_labels(batch[key]) for key in self.keys}

    def flaws(self, sample: Sample, size: tuple[int, int]) -> Iterator[str]:
        """Yield that it is not of the images' size."""
        for key in self.keys:
            if sample[key].shape[-2:] != size:
                yield f"'{key}' is {tuple(sample[key].shape)}, expected a value for each pixel of {size}"

    def examined(self, truth: Any, picture: Picture) -> Seen:
        """Check that the file holds one number per pixel of its image; the facts are these numbers, ascending."""
        return Seen(truth, tuple(np.unique(picture.numbers(truth)).tolist()))

    def read(self, truth: Any, picture: Picture, size: tuple[int, int]) -> Sample:
        """Return the file's numbers at `size`, each pixel the nearest of the given ones."""
        values = torch.from_numpy(picture.numbers(truth))
        return {key: resize_labels(values, size).to(stored.dtype) for key, stored in self.keys.items()}


def _pad(values: Tensor, size: tuple[int, int], value: int) -> Tensor:
    return functional.pad(values, (0, size[1] - values.shape[-1], 0, size[0] - values.shape[-2]), value=value)


def enlarged(values: Tensor, factor: int) -> Tensor:
    """Return values (..., H, W) with every pixel repeated `factor` times both ways."""
    return values.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


ANNOTATIONS: Registry[type[Annotation]] = Registry("annotation", Annotation, BenchError)
KEYS: dict[str, Key] = {}  # of all registered kinds


def register_annotation(name: str) -> Callable[[type[A]], type[A]]:
    """Return the decorator that registers an Annotation under `name`.

    Raises BenchError where the name, or one of the annotation's keys in a sample, is taken.
    """

    def register(kind: type[A]) -> type[A]:
        for key in kind.keys:
            if key == "image" or key in KEYS:
                raise BenchError(f"the key '{key}' of annotation '{name}' is already taken; choose another one.")
        ANNOTATIONS.register(name)(kind)
        KEYS.update(kind.keys)
        return kind

    return register
