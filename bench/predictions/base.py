"""What a kind of prediction must offer, and the file in which a run keeps one."""

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from skipbench.bench.errors import BenchError
from skipbench.registry import Registry

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Array = NDArray[Any]
MAX_BYTES = 1 << 30  # that the arrays of one file may take


@dataclass(frozen=True)
class Layout:
    """How an array is laid out: numpy's letter for its kind of numbers, and its axes by name, or by their length.

    Axes of one name are equally long in all arrays: `Layout("u", "n H W 3")`.
    """

    kind: str
    axes: str
    indices_of: str = ""  # the array of names that its numbers point into; negative ones point nowhere


@dataclass(frozen=True)
class Strip:
    """A row of a figure: pictures (n, H, W, 3) from 0 to 1, captions, and what is drawn over the pictures.

    `draw` is called with the axes, the index of a picture and the place of its left edge.
    """

    name: str
    pictures: Array
    captions: Sequence[str] = ()
    draw: "Callable[[Axes, int, float], None] | None" = None


@dataclass(frozen=True)
class Prediction(ABC):
    """What a network predicts for n images, beside the truth.

    A subclass is a frozen dataclass of arrays, each an `Annotated[Array, Layout(...)]`; one that may be absent is
    None by default. Raises ValueError for arrays that are laid out otherwise. Pictures are drawn in px, pixel i
    reaching from i to i + 1; matplotlib is imported where something is drawn and not before.
    """

    kind: ClassVar[str]  # the name in the file, under which it is registered
    columns: ClassVar[int] = 4  # images in a row of the figure
    alt: ClassVar[str]  # describes the figure to those who can't see it
    caption: ClassVar[str]  # explains it to those who can; a sentence or more

    images: Annotated[Array, Layout("u", "n H W 3")]

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        layouts: dict[str, Layout] = {
            field.name: hints[field.name].__metadata__[0]
            for field in fields(self)
            if getattr(self, field.name) is not None
        }
        extents: dict[str, int] = {}
        for name, layout in layouts.items():
            array, axes = getattr(self, name), layout.axes.split()
            expected = [extents.get(axis, int(axis) if axis.isdecimal() else None) for axis in axes]
            fits = len(expected) == array.ndim and all(
                want in (None, have) for want, have in zip(expected, array.shape, strict=True)
            )
            if array.dtype.kind != layout.kind or not fits:
                raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, expected ({layout.axes})")
            extents |= dict(zip(axes, array.shape, strict=True))
        if self.images.size == 0:
            raise ValueError("it contains no images")
        for name, layout in layouts.items():
            array, names = getattr(self, name), layout.indices_of
            if names and array.size and array.max() >= len(getattr(self, names)):
                raise ValueError(f"{name} points beyond the {len(getattr(self, names))} {names}")

    def arrays(self) -> dict[str, Array]:
        """Return what a file keeps: the arrays that there are, and the kind."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"kind": np.array(self.kind), **{name: each for name, each in arrays.items() if each is not None}}

    @abstractmethod
    def right(self, index: int) -> tuple[int, int]:
        """Return how many pixels, joints or objects of image `index` are right, and of how many."""

    @abstractmethod
    def truth_strips(self) -> list[Strip]:
        """Return the rows above those of the arms."""

    @abstractmethod
    def arm_strip(self, arm: str) -> Strip:
        """Return the row of an arm whose prediction this is."""

    @abstractmethod
    def legend(self) -> "list[Artist]":
        """Return the handles of the figure's legend."""

    def in_sight(self, shown: Sequence[int]) -> set[str] | None:
        """Return the labels of the legend's handles that the images at `shown` need; None for all."""
        return None

    def captions(self) -> list[str]:
        """Return the caption below each image of an arm: "3 of 4"."""
        return ["{} of {}".format(*self.right(index)) for index in range(len(self.images))]

    def shown(self) -> list[int]:
        """Return the first images in which there is something to predict; if there is none, the first images."""
        every = range(len(self.images))
        return ([index for index in every if self.right(index)[1]] or list(every))[: self.columns]

    @classmethod
    def save(cls, found: Iterable[tuple[str, Any]], write: Callable[[str, bytes], None]) -> None:
        """Write what is predicted for new images as files that other programs read.

        `found` yields the name of an image's file and what is predicted for that image alone, without any truth, in
        px of the file; names differ in more than their endings. It may be long: its images are best let go of.
        `write` takes the name of a file to write, with folders or without, and its content.
        Raises BenchError where a kind of prediction has no files of its own.
        """
        raise BenchError(
            f"predictions of kind '{cls.kind}' cannot be written as files: give {cls.__name__} a method 'save'."
        )

    def overlay(self) -> Array | None:
        """Return what is predicted drawn over the first image, RGB (H, W, 3) uint8; None where nothing is drawn."""
        return None


PREDICTIONS: Registry[type[Prediction]] = Registry("prediction", Prediction, BenchError)
P = TypeVar("P", bound=type[Prediction])


def register_prediction(kind: str) -> Callable[[P], P]:
    """Return the decorator that registers a kind of prediction, so that reports can show it. Raises BenchError."""

    def register(prediction: P) -> P:
        PREDICTIONS.register(kind)(prediction)
        prediction.kind = kind
        return prediction

    return register


def read_prediction(path: Path) -> Prediction:
    """Return what a run has kept in the file `path`. Raises whatever a damaged file leads numpy to."""
    with zipfile.ZipFile(path) as archive:  # says how much there is before any of it is unpacked
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"{path.name} would take {size / 2**30:.1f} GiB")
    with np.load(path, allow_pickle=False) as arrays:
        kind = str(arrays["kind"])
        if kind not in PREDICTIONS.registered:
            raise ValueError(f"no class is registered for predictions of kind '{kind}'")
        prediction = PREDICTIONS[kind]
        optional = {field.name for field in fields(prediction) if field.default is None}
        names = [field.name for field in fields(prediction) if field.name in arrays or field.name not in optional]
        return prediction(**{name: arrays[name] for name in names})
