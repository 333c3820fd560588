"""The encoders of U-Net, Stacked Hourglass and the rectified Gaussians, as their papers describe them."""

import itertools
import operator
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import (
    BlockStyle,
    DoubleConv,
    Modules,
    conv_norm_relu,
    initialise,
    make_activation,
    make_norm,
)
from skipbench.archs.bottom_up import PooledResiduals, StridedBasics
from skipbench.archs.encoders.base import Encoder, levels_down_to, register_encoder
from skipbench.archs.errors import ShapeError, SpecError
from skipbench.archs.levels import FeatureSpec, level_size
from skipbench.archs.resampling import Link
from skipbench.archs.residual import BasicUnit, ConvUnit, ResidualUnit
from skipbench.archs.spec import ArchSpec

HOURGLASS_104 = (256, 256, 384, 384, 384, 512)


@register_encoder("double_conv")
class DoubleConvEncoder(Encoder):
    """U-Net's contracting path: per level two 3x3 convolutions, 2x2 max-pooling between levels.

    encoder_args: widths, the channels per level, default (64, 128, 256, 512, 1024); ceil_mode, whether pooling
    rounds odd sizes up (default: where the convolutions are padded).
    """

    silent_args = ("ceil_mode",)

    def __init__(
        self, spec: ArchSpec, widths: Sequence[int] = (64, 128, 256, 512, 1024), ceil_mode: bool | None = None
    ) -> None:
        super().__init__()
        style = BlockStyle(spec.norm, spec.padding, activation=spec.activation, bias=spec.conv_bias)
        self.ceil_mode = spec.padding == "same" if ceil_mode is None else ceil_mode
        widths = widths[: levels_down_to([2**level for level in range(len(widths))], spec.strides)]
        fed = [spec.in_channels, *widths[:-1]]
        self.blocks = Modules(DoubleConv(i, o, style) for i, o in zip(fed, widths, strict=True))
        self.specs = [FeatureSpec(width, 2**level) for level, width in enumerate(widths)]
        initialise(self)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> maps at strides 1, 2, 4 ...

        Raises ShapeError where pooling that rounds down would leave nothing.
        """
        maps = [self.blocks[0](image)]
        for block in list(self.blocks)[1:]:
            if not self.ceil_mode and min(maps[-1].shape[-2:]) < 2:
                raise ShapeError(
                    f"max-pooling that rounds down needs {2 ** (len(self.blocks) - 1)} px a side but the image "
                    f"has {tuple(image.shape[-2:])}: it is too small for this network."
                )
            maps.append(block(F.max_pool2d(maps[-1], 2, ceil_mode=self.ceil_mode)))
        return maps


@register_encoder("residual_pool")
class ResidualPoolEncoder(Encoder):
    """Hourglass's stem (to stride 4) and the bottom-up half of its first module.

    encoder_args: width, the channels of every level (default: the decoder's, or 256); depth, the number of
    poolings (4); stem, the channels after the stem's convolution and its first two residual units, as parts of
    width.
    """

    def __init__(
        self,
        spec: ArchSpec,
        width: int | None = None,
        depth: int = 4,
        stem: Sequence[float] = (1 / 4, 1 / 2, 1 / 2),
    ) -> None:
        super().__init__()
        width = width or (spec.width if isinstance(spec.width, int) else 256)
        style = BlockStyle(spec.norm, repeats=spec.blocks, activation=spec.activation, bias=spec.conv_bias)
        if len(stem) != 3:
            raise SpecError(
                f"stem must list the widths after 3 layers, as fractions of the encoder's width, not {stem}."
            )
        first, second, third = (max(int(width * part), 1) for part in stem)
        self.stem = nn.Sequential(
            nn.Conv2d(spec.in_channels, first, 7, stride=2, padding=3),
            *make_norm(spec.norm, first),
            make_activation(spec.activation),
            ResidualUnit(first, second, style),
            nn.MaxPool2d(2, ceil_mode=True),
            ResidualUnit(second, third, style),
            ResidualUnit(third, width, style),
        )
        strides = [4 * 2**level for level in range(depth + 1)]
        strides = strides[: levels_down_to(strides, spec.strides)]
        self.bottom_up = PooledResiduals([width] * len(strides), strides, style)
        self.specs = [FeatureSpec(width, stride) for stride in strides]
        initialise(self)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> maps at strides 4, 8, 16 ..."""
        return self.bottom_up(self.stem(image))


@register_encoder("strided_basic")
class StridedBasicEncoder(Encoder):
    """Hourglass-104's stem (to stride 4) and the bottom-up half of its first module (CornerNet, arXiv 1808.01244).

    encoder_args: widths, the channels of every level, finest first (default: the decoder's where that is one
    number for the six levels, else the paper's).
    """

    def __init__(self, spec: ArchSpec, widths: Sequence[int] | None = None) -> None:
        super().__init__()
        widths = widths or ([spec.width] * 6 if isinstance(spec.width, int) else HOURGLASS_104)
        style = BlockStyle(spec.norm, repeats=spec.blocks, activation=spec.activation, bias=spec.conv_bias)
        half = max(widths[0] // 2, 1)
        self.stem = nn.Sequential(
            *conv_norm_relu(spec.in_channels, half, 7, style, stride=2),
            BasicUnit(half, widths[0], style, stride=2),
        )
        strides = [4 * 2**level for level in range(len(widths))]
        strides = strides[: levels_down_to(strides, spec.strides)]
        widths = widths[: len(strides)]
        self.bottom_up = StridedBasics(widths, strides, style)
        self.specs = [FeatureSpec(width, stride) for width, stride in zip(widths, strides, strict=True)]
        initialise(self)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> maps at strides 4, 8, 16 ..."""
        return self.bottom_up(self.stem(image))


@register_encoder("conv_stages")
class ConvStagesEncoder(Encoder):
    """A stage of 3x3 convolutions per level, the first of which strides: no pooling (nnU-Net's and MONAI's U-Nets).

    encoder_args: widths, the channels per level; convs, how many per stage, or of each; steps, by how many times
    each level is coarser than the one before (default: 1 for the first, then 2); residual, whether a stage's input
    is added to its result.
    """

    silent_args = ("steps",)

    def __init__(
        self,
        spec: ArchSpec,
        widths: Sequence[int] = (32, 64, 128, 256, 512),
        convs: int | Sequence[int] = 2,
        steps: Sequence[int] | None = None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        style = BlockStyle(spec.norm, activation=spec.activation, bias=spec.conv_bias)
        steps = steps or [1] + [2] * (len(widths) - 1)
        convs = [convs] * len(widths) if isinstance(convs, int) else convs
        if not len(widths) == len(convs) == len(steps):
            raise SpecError(f"widths, convs and steps list {len(widths)}, {len(convs)} and {len(steps)} stages.")
        strides = list(itertools.accumulate(steps, operator.mul))
        kept = levels_down_to(strides, spec.strides)
        fed = [spec.in_channels, *widths]
        stages = zip(fed, widths[:kept], convs, steps, strict=False)
        self.stages = Modules(ConvUnit(i, o, style, count, step, residual) for i, o, count, step in stages)
        self.specs = [FeatureSpec(*level) for level in zip(widths[:kept], strides[:kept], strict=True)]
        initialise(self)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the map of every stage, finest first."""
        return list(itertools.accumulate(self.stages, lambda x, stage: stage(x), initial=image))[1:]


@register_encoder("vgg_rectified")
class VGGRectified(Encoder):
    """VGG's 3x3 convolutions, every layer a level; max-pooling stands between stages of one stride.

    The convolutions are the links of a rectified Gaussian, for whose passes a level's map is its bias.
    encoder_args: stages, the channels of the layers between poolings (default: VGG-16's 13 layers).
    """

    def __init__(
        self,
        spec: ArchSpec,
        stages: Sequence[Sequence[int]] = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    ) -> None:
        super().__init__()
        widths = [width for stage in stages for width in stage]
        stage_of = [number for number, stage in enumerate(stages) for _ in stage]
        self.first = nn.Conv2d(spec.in_channels, widths[0], 3, padding=1)
        self.convs = Modules(
            Link(widths[i - 1], widths[i], pool=stage_of[i] != stage_of[i - 1]) for i in range(1, len(widths))
        )
        self.biases = nn.ParameterList(nn.Parameter(self.first.weight.new_zeros(width)) for width in widths[1:])
        self.specs = [FeatureSpec(w, 2**stage) for w, stage in zip(widths, stage_of, strict=True)]
        self.links = tuple(self.convs)  # they stay registered once, as the convolutions
        self.passes = spec.passes
        initialise(self)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the maps of every layer, finest first: a plain VGG's, or what passes begin with."""
        return self.unaries(image) if self.passes else self.rectified(image)

    def unaries(self, image: Tensor) -> list[Tensor]:
        """Return the first layer's convolution of the image, then the bias maps of the others."""
        maps = [self.first(image)]
        for bias, level in zip(self.biases, self.specs[1:], strict=True):
            size = level_size((image.shape[-2], image.shape[-1]), level.stride)
            maps.append(bias.view(1, -1, 1, 1).expand(image.shape[0], -1, *size))
        return maps

    def rectified(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the rectified map of every layer: a plain VGG."""
        maps = [F.relu(self.first(image))]
        for link, bias in zip(self.links, self.biases, strict=True):
            maps.append(F.relu(link(maps[-1]) + bias.view(1, -1, 1, 1)))
        return maps
