"""Blocks of residual units: Hourglass's bottlenecks, and Hourglass-104's basic ones (arXiv 1808.01244)."""

import itertools
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import (
    Block,
    BlockStyle,
    conv_norm,
    conv_norm_relu,
    make_norm,
    project,
    register_block,
)


class ResidualUnit(nn.Module):
    """Pre-activation bottleneck 1x1, 3x3, 1x1 with biases; the skip is the identity or a bare 1x1 (Hourglass)."""

    def __init__(self, in_channels: int, out_channels: int, norm: str) -> None:
        super().__init__()
        middle = max(out_channels // 2, 1)
        self.body = nn.Sequential(
            *make_norm(norm, in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, middle, 1),
            *make_norm(norm, middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, middle, 3, padding=1),
            *make_norm(norm, middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out_channels, 1),
        )
        self.skip = project(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W)."""
        return torch.add(self.body(x), self.skip(x))


@register_block("residual")
class Residual(Block, nn.Sequential):
    """`style.repeats` residual units in a row, the first of which changes the width; always padded."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        widths = [in_channels] + [out_channels] * style.repeats
        units = itertools.pairwise(widths)
        nn.Sequential.__init__(self, *(ResidualUnit(fed, given, style.norm) for fed, given in units))
        self.out_channels = out_channels


@register_block("residual_project")
class ResidualProject(Block, nn.Sequential):
    """Hourglass's last features: residual units, then 1x1 convolution with bias, norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        units = Residual(in_channels, out_channels, style)
        conv = nn.Conv2d(out_channels, out_channels, 1)
        nn.Sequential.__init__(self, units, conv, *make_norm(style.norm, out_channels), nn.ReLU(inplace=True))
        self.out_channels = out_channels


class BasicUnit(nn.Module):
    """Two padded 3x3 convolutions, ReLU after the sum (ResNet's basic block); `stride` is the first's.

    The skip is the identity, or a 1x1 convolution with norm where the channels or the size change.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: str, stride: int = 1) -> None:
        super().__init__()
        style = BlockStyle(norm=norm)
        self.body = nn.Sequential(
            *conv_norm_relu(in_channels, out_channels, 3, style, stride),
            *conv_norm(out_channels, out_channels, 3, style),
        )
        changes = stride != 1 or in_channels != out_channels
        self.skip = (
            nn.Sequential(*conv_norm(in_channels, out_channels, 1, style, stride)) if changes else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W), the size divided by the stride and rounded up."""
        return F.relu(self.body(x) + self.skip(x))


@register_block("basic")
class Basic(Block, nn.Sequential):
    """`times` x `style.repeats` basic units in a row, always padded; the first or the last changes the width.

    `stride` is the first unit's.
    """

    widens: ClassVar[Literal["first", "last"]] = "first"
    times: ClassVar[int] = 1

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle, stride: int = 1) -> None:
        units = self.times * style.repeats
        change = 0 if self.widens == "first" else units - 1
        fed = [in_channels if number <= change else out_channels for number in range(units)]
        given = [*fed[1:], out_channels]
        strides = [stride] + [1] * (units - 1)
        steps = zip(fed, given, strides, strict=True)
        nn.Sequential.__init__(self, *(BasicUnit(i, o, style.norm, s) for i, o, s in steps))
        self.out_channels = out_channels


@register_block("basic_last")
class BasicLast(Basic):
    """Basic units, the last of which changes the width."""

    widens = "last"


@register_block("basic_twice")
class BasicTwice(Basic):
    """Twice as many basic units as elsewhere."""

    times = 2
