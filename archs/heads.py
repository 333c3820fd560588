"""Heads: from the decoder's maps to logits."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import BLOCKS, BlockStyle, Modules, conv_norm_relu
from skipbench.archs.errors import SpecError
from skipbench.archs.levels import FeatureSpec, Size, level_size
from skipbench.archs.resampling import UPSAMPLERS, Upsample
from skipbench.archs.spec import ArchSpec


class Merge(nn.Module):
    """Panoptic FPN's branches (arXiv 1901.02446): every level brought to the finest's size, and summed.

    A map k levels below the finest passes k 3x3 convolutions (the finest itself: one), each with a norm (the
    paper's GroupNorm, whatever the network's is) and ReLU, each followed by bilinear upsampling to the next finer
    level's size.
    """

    def __init__(self, spec: ArchSpec, levels: Sequence[FeatureSpec]) -> None:
        super().__init__()
        self.align_corners = spec.head_align_corners
        self.style = BlockStyle(spec.head_norm, activation=spec.activation, bias=spec.conv_bias)
        self.out_channels = spec.head_width or levels[0].channels
        self.branches = Modules(self._branch(level.channels, max(depth, 1)) for depth, level in enumerate(levels))

    def _branch(self, in_channels: int, convolutions: int) -> Modules[nn.Sequential]:
        fed = [in_channels] + [self.out_channels] * (convolutions - 1)
        return Modules(nn.Sequential(*conv_norm_relu(i, self.out_channels, 3, self.style)) for i in fed)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, out_channels, H, W) of the first map's size from maps (N, C_l, H_l, W_l), finest first."""
        sizes = [(x.shape[-2], x.shape[-1]) for x in maps]
        return torch.stack([self._lift(depth, x, sizes) for depth, x in enumerate(maps)]).sum(0)

    def _lift(self, depth: int, x: Tensor, sizes: Sequence[Size]) -> Tensor:
        for step, convolution in enumerate(self.branches[depth]):
            x = resize(convolution(x), sizes[max(depth - step - 1, 0)], self.align_corners)
        return x


class Head(nn.Module):
    """Logits from the maps that the decoder publishes, finest first.

    head_levels "finest": from the first map alone; "all": from every map; "summed": from every map,
    upsampled bilinearly and summed coarse to fine; "merged": from one map, which `Merge` makes of all.
    `share_head`: one predictor for all maps. With `head_upsample` a map is brought to twice its size before.
    """

    __call__: Callable[..., list[Tensor]]

    def __init__(self, spec: ArchSpec, levels: Sequence[FeatureSpec]) -> None:
        super().__init__()
        self.align_corners = spec.head_align_corners
        self.summed = spec.head_levels == "summed"
        self.merge = Merge(spec, levels) if spec.head_levels == "merged" else None
        self.gathers = self.summed or self.merge is not None
        if self.merge is not None:
            levels = [FeatureSpec(self.merge.out_channels, levels[0].stride)]
        shared = spec.share_head and len(levels) > 1
        if shared and len({level.channels for level in levels}) > 1:
            raise SpecError(
                "a head that all levels share needs maps of one width: set share_head=False or out='conv3x3'."
            )
        style = BlockStyle(spec.norm, activation=spec.activation, bias=spec.conv_bias)  # padded whatever the path
        make = BLOCKS[spec.head]
        self.strides = [level.stride for level in levels]
        self.shared = shared
        self.dropout = nn.Dropout2d(spec.head_dropout)
        fed = [level.channels for level in (levels[:1] if shared else levels)]
        self.upsamplers: Modules[Upsample] = Modules()
        if spec.head_upsample != "none":
            self.upsamplers.extend(UPSAMPLERS[spec.head_upsample](i, spec.classes, 2.0) for i in fed)
            fed = [upsampler.out_channels for upsampler in self.upsamplers]
        self.predictors = Modules(make(i, spec.classes, style) for i in fed)

    def forward(self, maps: Sequence[Tensor], image_size: Size | None = None) -> list[Tensor]:
        """Return logits (N, classes, h, w), coarse to fine; the last are the finest (or the sum).

        `maps` are all levels, or the finest alone, of an image of that size (of one that fits, if not given).
        """
        if self.merge is not None:
            maps = [self.merge(maps)]
        repeats = len(maps) if self.shared else 1
        maps = [self.dropout(x) for x in maps]
        if len(self.upsamplers):
            doubled = [(2 * x.shape[-2], 2 * x.shape[-1]) for x in maps]
            sizes = [level_size(image_size, stride / 2) for stride in self.strides] if image_size else doubled
            maps = [up(x, size) for up, x, size in zip(list(self.upsamplers) * repeats, maps, sizes, strict=False)]
        predictors = list(self.predictors) * repeats
        logits = [predict(x) for predict, x in zip(predictors, maps, strict=False)][::-1]
        if not self.summed:
            return logits
        total = logits[0]
        for finer in logits[1:]:
            total = finer + resize(total, (finer.shape[-2], finer.shape[-1]), self.align_corners)
        return [total]


def resize(x: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    """Return x (N, C, h, w) at that size, bilinear; itself where it has that size already."""
    if (x.shape[-2], x.shape[-1]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)
