"""Blocks that stand before, on or off the top-down path; each publishes `out_channels`."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from archs.errors import ShapeError, SpecError
from archs.registry import Registry


@dataclass(frozen=True)
class BlockStyle:
    """What all blocks of one network have in common."""

    norm: str = "batch"  # "none", "batch" or "group"
    padding: str = "same"  # "same", or "valid" for U-Net's unpadded 3x3 convolutions
    repeats: int = 1  # residual units in a row


BLOCKS: Registry[Callable[[int, int, BlockStyle], nn.Module]] = Registry("block")


def make_norm(name: str, channels: int) -> list[nn.Module]:
    """Return the normalisation of that many channels as a list of at most one module."""
    if name == "none":
        return []
    if name == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.GroupNorm(math.gcd(32, channels), channels)]


def conv_norm(
    in_channels: int, out_channels: int, kernel: int, style: BlockStyle, stride: int = 1
) -> list[nn.Module]:
    """Return convolution and normalisation; the convolution has a bias only where no norm follows."""
    padding = kernel // 2 if style.padding == "same" else 0
    norm = make_norm(style.norm, out_channels)
    return [nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=not norm), *norm]


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int, style: BlockStyle, stride: int = 1
) -> list[nn.Module]:
    """Return `conv_norm`, then ReLU."""
    return [*conv_norm(in_channels, out_channels, kernel, style, stride), nn.ReLU(inplace=True)]


def channels_of(block: nn.Module) -> int:
    """Return the `out_channels` that a block, lateral, fusion or upsampling publishes."""
    return cast(int, block.out_channels)


def project(in_channels: int, out_channels: int) -> nn.Module:
    """Return a 1x1 convolution where the number of channels changes, else the identity."""
    return nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)


def initialise(module: nn.Module) -> None:
    """Draw every convolution below `module` from N(0, sqrt(2/N)), N inputs per output; biases are 0.

    This is U-Net's rule, used for all networks so that initialisation is no hidden factor. A layer that
    names its own `start_std` and `start` (of the bias) gets those.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1]
            if isinstance(layer, nn.ConvTranspose2d):  # an output sees a kernel's taps only once per stride
                taps //= layer.stride[0] * layer.stride[1]
            fan_in = layer.in_channels // layer.groups * max(taps, 1)
            nn.init.normal_(layer.weight, std=getattr(layer, "start_std", math.sqrt(2 / fan_in)))
            if layer.bias is not None:
                nn.init.constant_(layer.bias, getattr(layer, "start", 0.0))


@BLOCKS.register("none")
class NoBlock(nn.Identity):
    """Passes its input on: (N, C, H, W) -> the same."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__()
        self.out_channels = in_channels


@BLOCKS.register("relu")
class Rectify(nn.ReLU):
    """ReLU, the projection onto z >= 0 of a rectified Gaussian."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__()
        self.out_channels = in_channels


@BLOCKS.register("conv1x1")
class Conv1x1(nn.Conv2d):
    """A 1x1 convolution with bias: (N, in, H, W) -> (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(in_channels, out_channels, 1)


@BLOCKS.register("heatmap")
class HeatmapConv(Conv1x1):
    """A 1x1 convolution that starts out near 0, as nearly all of a heatmap is (arXiv 1804.06208)."""

    start_std = 0.001


@BLOCKS.register("conv3x3")
class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with bias, no norm, no nonlinearity, as on FPN's merged maps."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1 if style.padding == "same" else 0)


PRIOR_LOGIT = -math.log(0.99 / 0.01)  # a class's logit before training, so that background costs little
BOX_CHANNELS = 5  # of a detection head: four distances and the centre-ness, after a logit per class


class Predictor(nn.Conv2d):
    """A 3x3 convolution whose outputs are all near `start` before training."""

    start_std = 0.01

    def __init__(self, in_channels: int, out_channels: int, start: float = 0.0) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.start = start


class FCOSHead(nn.Module):
    """The anchor-free detection head of FCOS (arXiv 1904.01355): two towers of `depth` 3x3 convolutions.

    One ends in a logit per class, which starts at a probability of .01; the other in the logarithms of the
    distances from a pixel to the left, top, right and bottom of its box, in strides, and the centre-ness logit.
    The towers have GroupNorm whatever the network's norm is: levels share them, and statistics they don't share.
    """

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle, depth: int = 4) -> None:
        super().__init__()
        classes = out_channels - BOX_CHANNELS
        if classes < 1:
            raise SpecError(
                f"an FCOS head has {BOX_CHANNELS} channels beside one per class, "
                f"so classes={out_channels} is too few."
            )
        group = BlockStyle(norm="group")
        self.class_tower, self.box_tower = (
            nn.Sequential(
                *(layer for _ in range(depth) for layer in conv_norm_relu(in_channels, in_channels, 3, group))
            )
            for _ in range(2)
        )
        self.class_logits = Predictor(in_channels, classes, start=PRIOR_LOGIT)
        self.box = Predictor(in_channels, BOX_CHANNELS)
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, h, w) -> (N, classes + 4 + 1, h, w)."""
        return torch.cat([self.class_logits(self.class_tower(x)), self.box(self.box_tower(x))], 1)


BLOCKS.register("fcos")(FCOSHead)
BLOCKS.register("fcos_light")(partial(FCOSHead, depth=1))


@BLOCKS.register("double_conv")
class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each with norm and ReLU (U-Net); unpadded, a side loses 4 px.

    Raises ShapeError for a map that unpadded convolutions would leave nothing of.
    """

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle, halve: bool = False) -> None:
        middle = max(in_channels // 2, 1) if halve else out_channels
        first = conv_norm_relu(in_channels, middle, 3, style)
        super().__init__(*first, *conv_norm_relu(middle, out_channels, 3, style))
        self.out_channels = out_channels
        self.least = 1 if style.padding == "same" else 5

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H, W), or (N, out, H - 4, W - 4) unpadded."""
        height, width = x.shape[-2:]
        if min(height, width) < self.least:
            raise ShapeError(
                f"two unpadded 3x3 convolutions need a map of at least 5x5 px but got {height}x{width}: "
                "the image is too small for this network."
            )
        for layer in self:
            x = layer(x)
        return x


BLOCKS.register("double_conv_halved")(partial(DoubleConv, halve=True))  # the first halves its input's channels


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


@BLOCKS.register("residual")
class Residual(nn.Sequential):
    """`style.repeats` residual units in a row, the first of which changes the width; always padded."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        widths = [in_channels] + [out_channels] * style.repeats
        units = itertools.pairwise(widths)
        super().__init__(*(ResidualUnit(fed, given, style.norm) for fed, given in units))
        self.out_channels = out_channels


@BLOCKS.register("residual_project")
class ResidualProject(nn.Sequential):
    """Hourglass's last features: residual units, then 1x1 convolution with bias, norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        units = Residual(in_channels, out_channels, style)
        conv = nn.Conv2d(out_channels, out_channels, 1)
        super().__init__(units, conv, *make_norm(style.norm, out_channels), nn.ReLU(inplace=True))
        self.out_channels = out_channels


@BLOCKS.register("max_pool")
class MaxPool(nn.MaxPool2d):
    """2x2 max-pooling; a block whose maps have twice the stride of its input."""

    stride_factor = 2

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(2, ceil_mode=style.padding == "same")
        self.out_channels = in_channels
