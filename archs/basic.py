"""The blocks of Hourglass-104 (CornerNet, arXiv 1808.01244): basic residual units, a head with a hidden layer."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import Block, BlockStyle, conv_norm, conv_norm_relu, register_block


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


@register_block("conv3x3_norm_relu")
class ConvNormReLU(Block, nn.Sequential):
    """A 3x3 convolution, norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        nn.Sequential.__init__(self, *conv_norm_relu(in_channels, out_channels, 3, style))
        self.out_channels = out_channels


@register_block("conv3x3_conv1x1")
class HiddenConv(Block, nn.Sequential):
    """A 3x3 convolution and ReLU, then a 1x1 convolution: no norm, biases on."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        hidden = conv_norm_relu(in_channels, in_channels, 3, replace(style, norm="none"))
        nn.Sequential.__init__(self, *hidden, nn.Conv2d(in_channels, out_channels, 1))
        self.out_channels = out_channels
