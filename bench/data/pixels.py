"""Image files: which they are, what they hold, and what is wrong with one."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from skipbench.bench.errors import DataError

MASK_MODES = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}  # one number per pixel
MAX_MASK_VALUE = 65535
_SIDEWAYS = 5  # the first of the orientations that exchange width and height
Size = tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """Why one file of a dataset, a part of it, or the whole dataset cannot be used."""

    path: str  # relative to the dataset's folder, "" for the folder itself
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class FileError(DataError):
    """One file cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}.")
        self.path = path
        self.reason = reason

    def problem(self, root: Path) -> Problem:
        """Return this as a finding about the dataset in the folder `root`."""
        inside = self.path.is_relative_to(root)
        return Problem((self.path.relative_to(root) if inside else self.path).as_posix(), self.reason)


def images_by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the image files in `folder` by their names without type; none where there is no such folder.

    Hidden files and files of other types are passed over.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if is_image(path.name) and path.is_file():
            files[path.stem].append(path)
    return dict(files)


def is_image(name: str) -> bool:
    """Return whether a file is an image by its name; hidden ones are not."""
    return os.path.splitext(name)[1].lower() in _readable() and not name.startswith(".")


@cache
def _readable() -> frozenset[str]:
    return frozenset(end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN)


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp:
    """Return what changes with a file's content: its number, its size and when it was written. Raises FileError."""
    try:
        facts = path.stat()
    except OSError as error:
        raise FileError(path, f"cannot be read as an image ({error.strerror})") from None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


class Header(NamedTuple):
    """What a file's first bytes tell of its image."""

    size: Size  # (width, height) as stored
    orientation: int = 1  # by EXIF: 1 upright, 2 to 4 turned or mirrored at one size, 5 to 8 with sides exchanged

    def shown(self, upright: bool) -> Size:
        """Return the size (width, height) as stored or, if `upright`, turned as the orientation says."""
        return self.size[::-1] if upright and self.orientation >= _SIDEWAYS else self.size


def header(path: Path) -> Header:
    """Return the size and orientation of an image without decoding it. Raises FileError."""
    with opening(path), Image.open(path) as image:
        late = image.format == "PNG" and "exif" not in image.info  # to look for it would decode the whole image
        orientation = 1 if late else image.getexif().get(ExifTags.Base.Orientation, 1)
        return Header(image.size, orientation if orientation in range(1, 9) else 1)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a FileError."""
    try:
        yield
    except Exception as error:  # from OSError to SyntaxError
        unknown = "cannot identify" in str(error)
        reason = "its format is unknown or damaged" if unknown else str(error).rstrip(".")
        raise FileError(path, f"cannot be read as an image ({reason})") from None


def decode(path: Path, upright: bool = True) -> Image.Image:
    """Return the whole image, if `upright` turned as its EXIF orientation says. Raises FileError."""
    with opening(path), Image.open(path) as image:
        image.load()  # a header alone does not show that a file is cut short
        if upright:
            ImageOps.exif_transpose(image, in_place=True)
        return image


def as_tensor(image: Image.Image, size: tuple[int, int]) -> Tensor:
    """Return the image as `rgb`, resized to `size`, (3, H, W) uint8."""
    return resize(rgb(image), size)


def rgb(image: Image.Image) -> Tensor:
    """Return the image as RGB, (3, H, W) uint8.

    Grey becomes RGB, 16-bit grey loses its lower 8 bits, transparency is dropped.
    """
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def resize(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pixels (3, h, w) resized to `size` (H, W), bilinear, antialiased."""
    resized: Tensor = F.resize(pixels, list(size), InterpolationMode.BILINEAR, antialias=True)
    return resized.contiguous()


def decode_mask(path: Path, upright: bool = True) -> npt.NDArray[np.int64]:
    """Return the value per pixel (H, W); of a palette image, the index. Raises FileError."""
    mask = decode(path, upright)
    if mask.mode not in MASK_MODES:
        expected = "expected one class index per pixel: an 8- or 16-bit grey or a palette image"
        raise FileError(path, f"is a mask of mode {mask.mode}, {expected}")
    values = np.asarray(mask).astype(np.int64)
    if values.max() > MAX_MASK_VALUE or values.min() < 0:
        raise FileError(path, f"contains values outside 0 to {MAX_MASK_VALUE}")
    return values
