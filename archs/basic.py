"""The blocks of Hourglass-104 (CornerNet, arXiv 1808.01244): basic residual units, a head with a hidden layer."""

from dataclasses import replace
from functools import partial
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from archs.blocks import BLOCKS, BlockStyle, conv_norm, conv_norm_relu


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


class Basic(nn.Sequential):
    """`times` x `style.repeats` basic units in a row, always padded; the `first` or the `last` changes the width.

    `stride` is the first unit's.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style: BlockStyle,
        stride: int = 1,
        widens: Literal["first", "last"] = "first",
        times: int = 1,
    ) -> None:
        units = times * style.repeats
        change = 0 if widens == "first" else units - 1
        fed = [in_channels if number <= change else out_channels for number in range(units)]
        given = [*fed[1:], out_channels]
        strides = [stride] + [1] * (units - 1)
        super().__init__(*(BasicUnit(i, o, style.norm, s) for i, o, s in zip(fed, given, strides, strict=True)))
        self.out_channels = out_channels


BLOCKS.register("basic")(Basic)
BLOCKS.register("basic_last")(partial(Basic, widens="last"))
BLOCKS.register("basic_twice")(partial(Basic, times=2))


@BLOCKS.register("conv3x3_norm_relu")
class ConvNormReLU(nn.Sequential):
    """A 3x3 convolution, norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(*conv_norm_relu(in_channels, out_channels, 3, style))
        self.out_channels = out_channels


@BLOCKS.register("conv3x3_conv1x1")
class HiddenConv(nn.Sequential):
    """A 3x3 convolution and ReLU, then a 1x1 convolution: no norm, biases on."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        hidden = conv_norm_relu(in_channels, in_channels, 3, replace(style, norm="none"))
        super().__init__(*hidden, nn.Conv2d(in_channels, out_channels, 1))
        self.out_channels = out_channels
