"""Blocks of residual units: Hourglass's bottlenecks, and Hourglass-104's basic ones (arXiv 1808.01244)."""

import itertools
from dataclasses import replace
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from skipbench.archs.blocks import (
    Block,
    BlockStyle,
    conv_norm,
    conv_norm_relu,
    make_activation,
    make_norm,
    project,
    register_block,
)


class ResidualUnit(nn.Module):
    """Pre-activation bottleneck 1x1, 3x3, 1x1 with biases; the skip is the identity or a bare 1x1 (Hourglass)."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__()
        middle = max(out_channels // 2, 1)
        self.body = nn.Sequential(
            *make_norm(style.norm, in_channels),
            make_activation(style.activation, inplace=False),  # without a norm, it is on the skip's map
            nn.Conv2d(in_channels, middle, 1),
            *make_norm(style.norm, middle),
            make_activation(style.activation),
            nn.Conv2d(middle, middle, 3, padding=1),
            *make_norm(style.norm, middle),
            make_activation(style.activation),
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
        nn.Sequential.__init__(self, *(ResidualUnit(fed, given, style) for fed, given in units))
        self.out_channels = out_channels


@register_block("residual_project")
class ResidualProject(Block, nn.Sequential):
    """Hourglass's last features: residual units, then 1x1 convolution with bias, norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        units = Residual(in_channels, out_channels, style)
        conv = nn.Conv2d(out_channels, out_channels, 1)
        norm = make_norm(style.norm, out_channels)
        nn.Sequential.__init__(self, units, conv, *norm, make_activation(style.activation))
        self.out_channels = out_channels


class BasicUnit(nn.Module):
    """Two padded 3x3 convolutions, activation after the sum (ResNet's basic block); `stride` is the first's.

    The skip is the identity, or a 1x1 convolution with norm where the channels or the size change.
    """

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle, stride: int = 1) -> None:
        super().__init__()
        style = replace(style, padding="same")
        self.body = nn.Sequential(
            *conv_norm_relu(in_channels, out_channels, 3, style, stride),
            *conv_norm(out_channels, out_channels, 3, style),
        )
        changes = stride != 1 or in_channels != out_channels
        self.skip = (
            nn.Sequential(*conv_norm(in_channels, out_channels, 1, style, stride)) if changes else nn.Identity()
        )
        self.activation = make_activation(style.activation, inplace=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W), the size divided by the stride and rounded up."""
        return cast(Tensor, self.activation(self.body(x) + self.skip(x)))


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
        nn.Sequential.__init__(self, *(BasicUnit(i, o, style, s) for i, o, s in steps))
        self.out_channels = out_channels


@register_block("basic_last")
class BasicLast(Basic):
    """Basic units, the last of which changes the width."""

    widens = "last"


@register_block("basic_twice")
class BasicTwice(Basic):
    """Twice as many basic units as elsewhere."""

    times = 2


class ConvUnit(nn.Module):
    """`convs` padded 3x3 convolutions, each with norm and activation; `stride` is the first's.

    With `residual` its input is added at the end, through a convolution where the channels or the size change (3x3
    where the size does, else 1x1); with `bare` the last is a convolution alone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style: BlockStyle,
        convs: int = 1,
        stride: int = 1,
        residual: bool = False,
        bare: bool = False,
    ) -> None:
        super().__init__()
        style = replace(style, padding="same")
        fed = [in_channels] + [out_channels] * (convs - 1)
        steps = [stride] + [1] * (convs - 1)
        units = [conv_norm_relu(i, out_channels, 3, style, s) for i, s in zip(fed, steps, strict=True)]
        if bare:
            units[-1] = [nn.Conv2d(fed[-1], out_channels, 3, steps[-1], padding=1, bias=style.bias)]
        self.body = nn.Sequential(*itertools.chain(*units))
        self.skip: nn.Module | None = None
        if residual:
            same = stride == 1 and in_channels == out_channels
            kernel = 3 if stride > 1 else 1
            conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=style.bias)
            self.skip = nn.Identity() if same else conv

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W), the size divided by the stride and rounded up."""
        y = self.body(x)
        return cast(Tensor, y if self.skip is None else y + self.skip(x))


@register_block("norm_act")
class NormAct(Block, nn.Sequential):
    """Norm and activation, with no convolution of their own, as after an upsampling convolution."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        norm = make_norm(style.norm, in_channels)
        nn.Sequential.__init__(self, *norm, make_activation(style.activation, inplace=False))
        self.out_channels = in_channels


@register_block("norm_act_residual")
class NormActResidual(Block, nn.Sequential):
    """Norm and activation, then a convolution with both whose input is added to its result (MONAI's U-Net)."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        unit = ConvUnit(in_channels, in_channels, style, residual=True)
        nn.Sequential.__init__(self, NormAct(in_channels, in_channels, style), unit)
        self.out_channels = in_channels


@register_block("norm_act_residual_bare")
class NormActResidualBare(Block, nn.Sequential):
    """Norm and activation, then a convolution alone whose input is added to its result (MONAI's last)."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        unit = ConvUnit(in_channels, in_channels, style, residual=True, bare=True)
        nn.Sequential.__init__(self, NormAct(in_channels, in_channels, style), unit)
        self.out_channels = in_channels
