"""Weights that a formula makes of a name and a shape, the same on every machine, and probes of outputs."""

import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor


def made(name: str, shape: Sequence[int]) -> Tensor:
    """Return a tensor of that name: convolutions that keep their input's scale, norms that are not fresh."""
    count = math.prod(shape)
    angles = torch.arange(count, dtype=torch.float64) * 12.9898 + zlib.crc32(name.encode()) % 997
    wave = 2 * (torch.sin(angles) * 43758.5453).frac().abs() - 1  # as good as random, from -1 to 1
    if name.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.long)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        wave = 1 + wave / 3
    elif len(shape) > 1 and name != "image":
        wave = wave * math.sqrt(4 / math.prod(shape[1:]))
    elif name != "image":
        wave = wave / 5
    return wave.reshape(tuple(shape)).float()


def probes(output: Tensor) -> list[float]:
    """Return the mean, the deviation and five values of an output."""
    flat = output.double().flatten()
    places = torch.linspace(0, len(flat) - 1, 7).long()[1:-1]
    return [round(float(x), 6) for x in (flat.mean(), flat.std(), *flat[places])]
