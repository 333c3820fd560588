"""What a network sees of an image of any size: all of it, stretched or padded, or windows of it."""

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from skipbench.bench.data.annotations import Annotation, Sample
from skipbench.bench.data.geometry import resize_labels
from skipbench.bench.data.pixels import resize

Size = tuple[int, int]  # (height, width)
Resize = Literal["stretch", "fit", "crop"]
PADDING = 116  # of 255: the middle of ImageNet's colours


class Window(NamedTuple):
    """A part of an image, in its px; it may reach beyond it on the right and below, where there is padding."""

    top: int
    left: int
    height: int
    width: int


def whole(size: Size) -> list[Window]:
    """Return the one window that is all of an image of that size."""
    return [Window(0, 0, *size)]


def around(size: Size, seen: Size) -> Window:
    """Return the smallest window with the aspect of `seen` that has all of an image of `size`, at its corner."""
    scale = max(have / wanted for have, wanted in zip(size, seen, strict=True))
    height, width = (max(have, round(scale * wanted)) for have, wanted in zip(size, seen, strict=True))
    return Window(0, 0, height, width)


def tiles(size: Size, tile: Size, overlap: float) -> list[Window]:
    """Return windows of size `tile` that cover an image of `size` evenly.

    Neighbours share `overlap` of a side, from 0 on and below 1, or more. Where the image is smaller than a tile,
    they end with it.
    """
    height, width = (min(have, wanted) for have, wanted in zip(size, tile, strict=True))
    tops, lefts = _starts(size[0], height, overlap), _starts(size[1], width, overlap)
    return [Window(top, left, height, width) for top in tops for left in lefts]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    count = 1 + math.ceil((length - side) / max(1, math.floor(side * (1 - overlap))))
    return torch.linspace(0, length - side, count, dtype=torch.float64).round().int().tolist()


def within(size: Size, window: Size) -> Size:
    """Return the largest size with the aspect of `window`, not above it, that an image of `size` holds."""
    scale = min(1.0, *(have / wanted for have, wanted in zip(size, window, strict=True)))
    height, width = (max(1, math.floor(scale * wanted)) for wanted in window)
    return height, width


def windows_of(resizing: Resize, size: Size, seen: Size, overlap: float) -> list[Window]:
    """Return the windows in which all of an image of `size` is seen by a network that is given images of `seen`."""
    if resizing == "fit":
        return [around(size, seen)]
    return tiles(size, within(size, seen), overlap) if resizing == "crop" else whole(size)


def shown(size: Size, window: Window) -> Size:
    """Return the size of a window's part that is on an image of `size`; the rest is padding."""
    return min(window.height, size[0] - window.top), min(window.width, size[1] - window.left)


def inner(size: Size, window: Window, seen: Size) -> Size:
    """Return the size that an image's part of a window has where the window has that of `seen`."""
    height, width = (
        max(1, round(wanted * own / all_of))
        for wanted, own, all_of in zip(seen, shown(size, window), (window.height, window.width), strict=True)
    )
    return height, width


def scale(size: Size, window: Window, seen: Size) -> tuple[float, float]:
    """Return the px of an image of `size` per px of what a window shows of it, along y and x.

    The two differ by what a part's size is rounded by, so that this takes back exactly what was done to the image.
    """
    along_y, along_x = (
        own / within for own, within in zip(shown(size, window), inner(size, window, seen), strict=True)
    )
    return along_y, along_x


def see(pixels: Tensor, window: Window, seen: Size) -> Tensor:
    """Return what a window shows of an image (C, H, W) uint8 at the size `seen`, padded where it reaches beyond."""
    top, left, height, width = window
    size = inner((pixels.shape[1], pixels.shape[2]), window, seen)
    return pad(resize(pixels[:, top : top + height, left : left + width], size), seen, PADDING)


def pad(values: Tensor, size: Size, value: float) -> Tensor:
    """Return values (..., h, w) with so much more on the right and below that they have a size."""
    below, right = size[0] - values.shape[-2], size[1] - values.shape[-1]
    return functional.pad(values, (0, right, 0, below), value=value) if below or right else values


def cut(sample: Sample, annotations: Iterable[Annotation], window: Window, seen: Size) -> Sample:
    """Return what a window within the image shows of a sample, image and annotations, at the size `seen`.

    What leaves the window is kept as a batch pads: a box without label, a joint that is not visible.
    """
    batch = {key: value[None] for key, value in sample.items()}
    size = batch["image"].shape[-2], batch["image"].shape[-1]
    found = {**sample, "image": see(sample["image"], window, seen)}
    for annotation in annotations:
        if annotation.is_in(sample):
            moved = {key: _cut(value, window, seen) for key, value in annotation.movable(batch, size).items()}
            found |= {key: value[0] for key, value in annotation.moved(moved, batch, seen).items()}
    return found


def _cut(value: Any, window: Window, seen: Size) -> Tensor:
    if isinstance(value, tv_tensors.Mask):  # torchvision's own is half a pixel right of and below the image
        return resize_labels(F.crop(value, *window).as_subclass(Tensor), seen)
    moved: Tensor = F.resized_crop(value, *window, size=list(seen), antialias=True).as_subclass(Tensor)
    return moved


def middle(size: Size, seen: Size) -> Window:
    """Return the window in the middle of an image of `size` that is seen at its own resolution, or all but so."""
    height, width = within(size, seen)
    return Window((size[0] - height) // 2, (size[1] - width) // 2, height, width)
