"""Image files: which they are, what they hold, and what is wrong with one."""

import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from skipbench.bench.data.findings import FileError


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
    known = (end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN)
    return frozenset({*known, ".npy"})


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp:
    """Return what changes with a file's content: its number, its size and when it was written. Raises FileError."""
    try:
        facts = path.stat()
    except OSError as error:
        raise FileError(path, f"cannot be read as an image ({error.strerror})") from None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def resize(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pixels (3, h, w) resized to `size` (H, W), bilinear, antialiased."""
    resized: Tensor = F.resize(pixels, list(size), InterpolationMode.BILINEAR, antialias=True)
    return resized.contiguous()


def visible(images: Tensor) -> Tensor:
    """Return images (..., C, H, W) as a person may look at them, (..., 3, H, W): grey, or the first three bands."""
    channels = images.shape[-3]
    if channels == 3:
        return images
    chosen = [0, 0, 0] if channels < 3 else [0, 1, 2]
    return images.index_select(-3, torch.tensor(chosen, device=images.device))
