"""Fusion: how the map from above and the skip become one. The factor this project is about.

A new one is one class; nothing else needs to know of it:

    @register_fusion("mine")
    class Mine(Fusion):
        def forward(self, coarse, skip): ...
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import project
from skipbench.archs.errors import REGISTRY_ERRORS
from skipbench.registry import Registry


class Fusion(nn.Module, ABC):
    """Merges two maps of one spatial size: (N, coarse, H, W), (N, skip, H, W) -> (N, out, H, W).

    It never resizes. `uses` names the inputs that the result depends on; without "coarse", what comes from above is
    not computed, and `coarse` may be None.
    """

    uses: ClassVar[tuple[str, ...]] = ("coarse", "skip")
    __call__: Callable[..., Tensor]

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.coarse_channels = coarse_channels
        self.skip_channels = skip_channels
        self.out_channels = out_channels

    @classmethod
    def fused_channels(cls, coarse_channels: int, skip_channels: int, width: int) -> int:
        """Return the channels that this fusion gives where the decoder is `width` wide: `width`, or its own."""
        return width

    @abstractmethod
    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return the fused map (N, out_channels, H, W)."""


FUSIONS: Registry[type[Fusion]] = Registry("fusion", Fusion, *REGISTRY_ERRORS)
register_fusion = FUSIONS.register


class Projected(Fusion):
    """A fusion that needs both sides as wide as its result: a side that isn't passes a 1x1 convolution."""

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.coarse_projection = project(coarse_channels, out_channels)
        self.skip_projection = project(skip_channels, out_channels)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return `merge` of the two projected maps."""
        return self.merge(self.coarse_projection(coarse), self.skip_projection(skip))

    @abstractmethod
    def merge(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Merge two maps of shape (N, out_channels, H, W) into one."""


@register_fusion("add")
class Add(Projected):
    """Sum (FPN, Hourglass)."""

    def merge(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return coarse + skip."""
        return coarse + skip


@register_fusion("max")
class Max(Projected):
    """Element-wise maximum."""

    def merge(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return the larger of the two in every place."""
        return torch.maximum(coarse, skip)


@register_fusion("weighted")
class Weighted(Projected):
    """Fast normalised fusion (BiFPN, arXiv 1911.09070): (w0 coarse + w1 skip) / (w0 + w1 + eps), w >= 0."""

    eps = 1e-4

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.weight = nn.Parameter(torch.ones(2))

    def merge(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return the weighted mean of the two."""
        weight = F.relu(self.weight)
        return (weight[0] * coarse + weight[1] * skip) / (weight.sum() + self.eps)


@register_fusion("concat")
class Concat(Fusion):
    """Concatenate, then a 1x1 convolution to the width: the same function as two 1x1 convolutions and a sum."""

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.mix = nn.Conv2d(coarse_channels + skip_channels, out_channels, 1)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return mix([coarse, skip])."""
        return cast(Tensor, self.mix(torch.cat([coarse, skip], dim=1)))


@register_fusion("concat_wide")
class ConcatWide(Fusion):
    """Concatenate and pass the wide map on, as U-Net does."""

    @classmethod
    def fused_channels(cls, coarse_channels: int, skip_channels: int, width: int) -> int:
        """Return the sum of both, whatever the decoder's width."""
        return coarse_channels + skip_channels

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return [coarse, skip]."""
        return torch.cat([coarse, skip], dim=1)


@register_fusion("gated")
class Gated(Fusion):
    """Attention gate (Attention U-Net, arXiv 1804.03999): the coarse map decides where the skip may pass.

    gate = sigmoid(psi(ReLU(W_g coarse + W_x skip))), one value per pixel; then as `concat`.
    """

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(coarse_channels, skip_channels, out_channels)
        hidden = max(skip_channels // 2, 1)
        self.from_coarse = nn.Conv2d(coarse_channels, hidden, 1)
        self.from_skip = nn.Conv2d(skip_channels, hidden, 1, bias=False)
        self.psi = nn.Conv2d(hidden, 1, 1)
        self.mix = nn.Conv2d(coarse_channels + skip_channels, out_channels, 1)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return mix([coarse, gate * skip])."""
        gate = torch.sigmoid(self.psi(F.relu(self.from_coarse(coarse) + self.from_skip(skip))))
        return cast(Tensor, self.mix(torch.cat([coarse, gate * skip], dim=1)))


@register_fusion("skip_only")
class SkipOnly(Fusion):
    """No top-down path: the skip alone (the ablation of FPN's table 1d)."""

    uses = ("skip",)

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.projection = project(skip_channels, out_channels)

    @classmethod
    def fused_channels(cls, coarse_channels: int, skip_channels: int, width: int) -> int:
        """Return the skip's channels: there is nothing to fuse, so nothing to project."""
        return skip_channels

    def forward(self, coarse: Tensor | None, skip: Tensor) -> Tensor:
        """Return the skip."""
        return self.projection(skip)


@register_fusion("coarse_only")
class CoarseOnly(Fusion):
    """No lateral: the map from above alone (FPN's table 1e, and every level that has no encoder feature)."""

    uses = ("coarse",)

    def __init__(self, coarse_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.projection = project(coarse_channels, out_channels)

    @classmethod
    def fused_channels(cls, coarse_channels: int, skip_channels: int, width: int) -> int:
        """Return the coarse map's channels: there is nothing to fuse, so nothing to project."""
        return coarse_channels

    def forward(self, coarse: Tensor, skip: Tensor | None = None) -> Tensor:
        """Return the map from above."""
        return self.projection(coarse)
