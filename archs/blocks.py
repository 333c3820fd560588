"""Blocks: what stands in the skips, before, on or off the top-down path, and as the head; one class each.

A new one is one class; nothing else needs to know of it:

    @register_block("mine")
    class Mine(Block):
        def __init__(self, in_channels, out_channels, style): ...
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.errors import REGISTRY_ERRORS, ShapeError, SpecError
from skipbench.registry import Registry

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class BlockStyle:
    """What all blocks of one network have in common."""

    norm: str = "batch"  # a name that `make_norm` knows
    padding: str = "same"  # "same", or "valid" for U-Net's unpadded 3x3 convolutions
    repeats: int = 1  # residual units in a row
    activation: str = "relu"  # a name that `make_activation` knows
    bias: bool = False  # whether a convolution that a norm follows has a bias too


class Block(nn.Module):
    """A module from map to map: (N, in, H, W) -> (N, out_channels, H / stride_factor, W / stride_factor).

    It is built from its input's channels, the width that is wanted, and what all blocks of the network have in
    common. What it gives is what it publishes: one without a convolution keeps its input's channels.
    """

    stride_factor: ClassVar[int] = 1
    __call__: Callable[[Any, Tensor], Tensor]

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__()
        self.out_channels = out_channels


BLOCKS: Registry[type[Block]] = Registry("block", Block, *REGISTRY_ERRORS)
register_block = BLOCKS.register


class Modules(nn.ModuleList, Generic[M]):
    """A ModuleList that knows what it holds."""

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[M] = ()) -> None: ...

        def __iter__(self) -> Iterator[M]: ...

        def __getitem__(self, index: int) -> M: ...  # type: ignore[override]


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation that says in words which maps it cannot take."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, of mean 0 and deviation 1 each. Raises ShapeError for maps of one pixel."""
        if not torch.compiler.is_exporting() and x.shape[-2:].numel() == 1:
            raise ShapeError(
                "instance normalisation needs maps of more than one pixel: give the network larger images."
            )
        return super().forward(x)


def make_norm(name: str, channels: int) -> list[nn.Module]:
    """Return the normalisation of that many channels as a list of at most one module."""
    if name == "none":
        return []
    if name == "batch":
        return [nn.BatchNorm2d(channels)]
    if name == "group":
        return [nn.GroupNorm(math.gcd(32, channels), channels)]
    return [InstanceNorm(channels, affine=name == "instance")]


def make_activation(name: str, inplace: bool = True) -> nn.Module:
    """Return the nonlinearity: "relu", "leaky_relu" (.01 below 0) or "prelu" (one learned slope, at first .25)."""
    if name == "relu":
        return nn.ReLU(inplace=inplace)
    return nn.LeakyReLU(0.01, inplace=inplace) if name == "leaky_relu" else nn.PReLU()


def conv_norm(
    in_channels: int, out_channels: int, kernel: int, style: BlockStyle, stride: int = 1
) -> list[nn.Module]:
    """Return convolution and normalisation; the convolution has a bias where no norm follows, or all have one."""
    padding = kernel // 2 if style.padding == "same" else 0
    norm = make_norm(style.norm, out_channels)
    return [nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=style.bias or not norm), *norm]


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int, style: BlockStyle, stride: int = 1
) -> list[nn.Module]:
    """Return `conv_norm`, then the style's nonlinearity, which is ReLU unless it says otherwise."""
    return [*conv_norm(in_channels, out_channels, kernel, style, stride), make_activation(style.activation)]


def project(in_channels: int, out_channels: int) -> Block:
    """Return a 1x1 convolution where the number of channels changes, else the identity."""
    made = NoBlock if in_channels == out_channels else Conv1x1
    return made(in_channels, out_channels, BlockStyle())


def initialise(module: nn.Module) -> None:
    """Draw every convolution below `module` from N(0, sqrt(2/N)), N inputs per output; biases are 0.

    This is U-Net's rule, used for all networks so that initialisation is not a hidden factor. A layer that
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


@register_block("identity")
@register_block("none")
class NoBlock(Block, nn.Identity):
    """Passes its input on: (N, C, H, W) -> the same (as U-Net's skips do)."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(in_channels, in_channels, style)


@register_block("relu")
class Rectify(Block):
    """ReLU, the projection onto z >= 0 of a rectified Gaussian."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(in_channels, in_channels, style)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, with 0 for what is negative."""
        return F.relu(x)


@register_block("conv1x1")
class Conv1x1(Block, nn.Conv2d):
    """A 1x1 convolution with bias: (N, in, H, W) -> (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        nn.Conv2d.__init__(self, in_channels, out_channels, 1)


@register_block("heatmap")
class HeatmapConv(Conv1x1):
    """A 1x1 convolution that starts out near 0, as nearly all of a heatmap is (arXiv 1804.06208)."""

    start_std = 0.001


@register_block("conv3x3")
class Conv3x3(Block, nn.Conv2d):
    """A 3x3 convolution with bias, no norm, no nonlinearity, as on FPN's merged maps."""

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        padding = 1 if style.padding == "same" else 0
        nn.Conv2d.__init__(self, in_channels, out_channels, 3, padding=padding)


PRIOR_LOGIT = -math.log(0.99 / 0.01)  # a class's logit before training, so that background costs little
BOX_CHANNELS = 5  # of a detection head: four distances and the centre-ness, after a logit per class


class Predictor(nn.Conv2d):
    """A 3x3 convolution whose outputs are all near `start` before training."""

    start_std = 0.01

    def __init__(self, in_channels: int, out_channels: int, start: float = 0.0) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.start = start


@register_block("fcos")
class FCOSHead(Block):
    """The anchor-free detection head of FCOS (arXiv 1904.01355): two towers of `depth` 3x3 convolutions.

    One ends in a logit per class, which starts at a probability of .01; the other in the logarithms of the
    distances from a pixel to the left, top, right and bottom of its box, in strides, and the centre-ness logit.
    The towers have GroupNorm whatever the network's norm is: levels share them, and statistics they don't share.
    """

    depth: ClassVar[int] = 4

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        super().__init__(in_channels, out_channels, style)
        classes = out_channels - BOX_CHANNELS
        if classes < 1:
            raise SpecError(
                f"an FCOS head has {BOX_CHANNELS} channels besides one per class, "
                f"so classes={out_channels} is too few."
            )
        group = BlockStyle(norm="group")
        self.class_tower, self.box_tower = (
            nn.Sequential(
                *(layer for _ in range(self.depth) for layer in conv_norm_relu(in_channels, in_channels, 3, group))
            )
            for _ in range(2)
        )
        self.class_logits = Predictor(in_channels, classes, start=PRIOR_LOGIT)
        self.box = Predictor(in_channels, BOX_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, h, w) -> (N, classes + 4 + 1, h, w)."""
        return torch.cat([self.class_logits(self.class_tower(x)), self.box(self.box_tower(x))], 1)


@register_block("fcos_light")
class FCOSLightHead(FCOSHead):
    """An FCOS head whose towers are one convolution deep."""

    depth = 1


@register_block("double_conv")
class DoubleConv(Block, nn.Sequential):
    """Two 3x3 convolutions, each with norm and ReLU (U-Net); unpadded, a side loses 4 px.

    Raises ShapeError for a map that unpadded convolutions would leave nothing of.
    """

    halve: ClassVar[bool] = False  # whether the first gives half its input's channels, or as many as the second

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        middle = max(in_channels // 2, 1) if self.halve else out_channels
        first = conv_norm_relu(in_channels, middle, 3, style)
        nn.Sequential.__init__(self, *first, *conv_norm_relu(middle, out_channels, 3, style))
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


@register_block("double_conv_halved")
class DoubleConvHalved(DoubleConv):
    """Two 3x3 convolutions, the first of which halves its input's channels."""

    halve = True


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


@register_block("max_pool")
class MaxPool(Block, nn.MaxPool2d):
    """2x2 max-pooling; a block whose maps have twice the stride of its input."""

    stride_factor = 2

    def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
        nn.MaxPool2d.__init__(self, 2, ceil_mode=style.padding == "same")
        self.out_channels = in_channels
