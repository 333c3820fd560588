"""Bottom-up paths from one map to those of coarser levels: an Hourglass encoder's, and each later stack's."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import BlockStyle, Modules
from skipbench.archs.errors import REGISTRY_ERRORS
from skipbench.archs.residual import Basic, Residual
from skipbench.registry import Registry


class BottomUp(nn.Module, ABC):
    """A bottom-up path: (N, widths[0], H, W) -> the map of every level, finest first, that one as it came.

    `widths` and `strides` are those of the levels, finest first; `style` is what all blocks have in common.
    """

    __call__: Callable[[Any, Tensor], list[Tensor]]

    def __init__(self, widths: Sequence[int], strides: Sequence[float], style: BlockStyle) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, widths[0], H, W) -> the map of every level, finest first."""


BOTTOM_UPS: Registry[type[BottomUp]] = Registry("bottom-up", BottomUp, *REGISTRY_ERRORS)
register_bottom_up = BOTTOM_UPS.register


@register_bottom_up("pooled_residual")
class PooledResiduals(BottomUp):
    """Hourglass's bottom-up path: the finest map as it is, then max-pooling and residual units per level."""

    def __init__(self, widths: Sequence[int], strides: Sequence[float], style: BlockStyle) -> None:
        super().__init__(widths, strides, style)
        self.ratios = ratios(strides)
        self.blocks = Modules(Residual(i, o, style) for i, o in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, widths[0], H, W) -> the map of every level, finest first."""
        maps = [x]
        for ratio, block in zip(self.ratios, self.blocks, strict=True):
            pooled = F.max_pool2d(maps[-1], ratio, ceil_mode=True) if ratio > 1 else maps[-1]
            maps.append(block(pooled))
        return maps


@register_bottom_up("strided_basic")
class StridedBasics(BottomUp):
    """Hourglass-104's bottom-up path: per level basic units, the first of which strides; no pooling."""

    def __init__(self, widths: Sequence[int], strides: Sequence[float], style: BlockStyle) -> None:
        super().__init__(widths, strides, style)
        steps = zip(itertools.pairwise(widths), ratios(strides), strict=True)
        self.blocks = Modules(Basic(i, o, style, stride=ratio) for (i, o), ratio in steps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, widths[0], H, W) -> the map of every level, finest first."""
        maps = [x]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps


def ratios(strides: Sequence[float]) -> list[int]:
    """Return by how much each level is coarser than the one before, at least 1."""
    return [max(1, round(b / a)) for a, b in itertools.pairwise(strides)]
