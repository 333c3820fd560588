"""Bottom-up paths from one map to those of coarser levels: an Hourglass encoder's, and each later stack's."""

import itertools
from collections.abc import Sequence
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from archs.basic import Basic
from archs.blocks import BlockStyle, Residual
from archs.registry import Registry


class MakesBottomUp(Protocol):
    """What builds a bottom-up path (N, widths[0], H, W) -> the map of every level, finest first.

    `widths` and `strides` are those of the levels, finest first.
    """

    def __call__(self, widths: Sequence[int], strides: Sequence[float], style: BlockStyle) -> nn.Module: ...


BOTTOM_UPS: Registry[MakesBottomUp] = Registry("bottom-up path")


@BOTTOM_UPS.register("pooled_residual")
class PooledResiduals(nn.Module):
    """Hourglass's bottom-up path: the finest map as it is, then max-pooling and residual units per level.

    `widths` and `strides` are those of the levels, finest first.
    """

    def __init__(self, widths: Sequence[int], strides: Sequence[float], style: BlockStyle) -> None:
        super().__init__()
        self.ratios = ratios(strides)
        self.blocks = nn.ModuleList(Residual(i, o, style) for i, o in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, widths[0], H, W) -> the map of every level, finest first."""
        maps = [x]
        for ratio, block in zip(self.ratios, self.blocks, strict=True):
            pooled = F.max_pool2d(maps[-1], ratio, ceil_mode=True) if ratio > 1 else maps[-1]
            maps.append(block(pooled))
        return maps


@BOTTOM_UPS.register("strided_basic")
class StridedBasics(nn.Module):
    """Hourglass-104's bottom-up path: per level basic units, the first of which strides; no pooling.

    `widths` and `strides` are those of the levels, finest first.
    """

    def __init__(self, widths: Sequence[int], strides: Sequence[float], style: BlockStyle) -> None:
        super().__init__()
        steps = zip(itertools.pairwise(widths), ratios(strides), strict=True)
        self.blocks = nn.ModuleList(Basic(i, o, style, stride=ratio) for (i, o), ratio in steps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, widths[0], H, W) -> the map of every level, finest first."""
        maps = [x]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps


def ratios(strides: Sequence[float]) -> list[int]:
    """Return by how much each level is coarser than the one before, at least 1."""
    return [max(1, round(b / a)) for a, b in itertools.pairwise(strides)]
