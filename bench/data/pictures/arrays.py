"""Images as NumPy's .npy files: (H, W), (H, W, C) or (C, H, W)."""

from pathlib import Path

import numpy as np

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.stored import Array, Header, Stored


def array_header(path: Path, channels: int | None) -> Header:
    """Return what can be known of the file. Raises FileError."""
    height, width, _ = _mapped(path, channels).shape
    return Header((width, height))


def stored_as_array(path: Path, channels: int | None) -> Stored:
    """Return the values. Raises FileError."""
    return Stored(np.array(_mapped(path, channels)))


def _mapped(path: Path, channels: int | None) -> Array:
    """Return the values (H, W, C), still on disk; the shorter of the first and last axis is that of channels."""
    values: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.dtype.kind not in "buif":
        raise FileError(path, f"holds {values.dtype}; expected numbers")
    if values.ndim == 2:
        return values[..., None]
    if values.ndim != 3 or not values.size:
        raise FileError(path, f"has the shape {values.shape}; expected (H, W), (H, W, C) or (C, H, W)")
    last = values.shape[-1] == channels or (values.shape[0] != channels and values.shape[-1] <= values.shape[0])
    return values if last else values.transpose(1, 2, 0)
