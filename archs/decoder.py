"""The top-down path that all architectures share."""

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from archs.blocks import BLOCKS, BlockStyle, channels_of
from archs.fusion import FUSIONS, Fusion
from archs.laterals import LATERALS
from archs.resampling import UPSAMPLERS, center_fit
from archs.spec import ArchSpec, FeatureSpec, Size


def block_style(spec: ArchSpec) -> BlockStyle:
    """Return what all blocks of this network have in common."""
    return BlockStyle(norm=spec.norm, padding=spec.padding, repeats=spec.blocks)


class TopDownStep(nn.Module):
    """One step from a level to the finer one: P_l = post(fuse(up(pre(P_{l+1})), lateral(C_l))).

    A level without an encoder feature (0 channels) has no lateral, and its fusion is `coarse_only`. What a fusion
    does not use gets no parameters and is not computed, but for what comes from above on an unpadded path, whose
    sizes it gives. Publishes `out_channels` and `top_down`, whether it is computed.
    """

    def __init__(self, spec: ArchSpec, coarse: FeatureSpec, fine: FeatureSpec, width: int) -> None:
        super().__init__()
        style = block_style(spec)
        fusion = FUSIONS[spec.fusion if fine.channels else "coarse_only"]
        self.ratio = coarse.stride / fine.stride
        self.unpadded = spec.padding == "valid"
        self.top_down = needs_top(spec, fusion)
        pre, upsample = (spec.pre, spec.upsample) if "coarse" in fusion.uses else ("none", "nearest")
        lateral = spec.lateral if "skip" in fusion.uses else "identity"
        self.pre = BLOCKS[pre](coarse.channels, width, style)
        self.up = UPSAMPLERS[upsample](channels_of(self.pre), width, self.ratio)
        self.lateral = LATERALS[lateral](fine.channels, width, style)
        top_channels = fine.channels if upsample == "adjoint" else self.up.out_channels
        skip_channels = channels_of(self.lateral)
        fused = fusion.fused_channels(top_channels, skip_channels, width)
        self.fusion = fusion(top_channels, skip_channels, fused)
        self.post = BLOCKS[spec.post](fused, width, style)
        self.out_channels = channels_of(self.post)

    def top(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """Return what comes from above, (N, C, h, w) -> (N, C', *size); unpadded, a multiple of (h, w) instead."""
        coarse = self.pre(coarse)
        if self.unpadded:
            step = max(1, round(self.ratio))
            size = (coarse.shape[-2] * step, coarse.shape[-1] * step)
        return cast(Tensor, self.up(coarse, size, below))

    def merge(self, top: Tensor | None, feature: Tensor | None) -> Tensor:
        """Return P_l from what comes from above and the encoder's map C_l; None stands for what there is not."""
        skip = cast(Tensor, top) if feature is None else self.lateral(feature)
        if self.unpadded and top is not None:
            skip = center_fit(skip, (top.shape[-2], top.shape[-1]))
        return cast(Tensor, self.post(self.fusion(top, skip)))

    def forward(self, coarse: Tensor | None, feature: Tensor | None, size: Size) -> Tensor:
        """Return P_l, (N, out_channels, *size), from P_{l+1} (None where not `top_down`) and C_l."""
        top = self.top(coarse, size) if coarse is not None and self.top_down else None
        return self.merge(top, feature)


def needs_top(spec: ArchSpec, fusion: type[Fusion]) -> bool:
    """Return whether a step has to compute what comes from above: for its fusion, or for the sizes of its crops."""
    return "coarse" in fusion.uses or spec.padding == "valid"


class Decoder(nn.Module):
    """Bridge, top-down steps and output blocks for a chain of levels, finest first.

    `read` holds the indices of the levels that the head reads; only those get an output block. `depth` says how
    many levels, the finest ones, these depend on where that is not all: nothing is built for the others. Publishes
    `specs`, the FeatureSpec of each map that it returns.
    """

    def __init__(
        self,
        spec: ArchSpec,
        levels: Sequence[FeatureSpec],
        read: Sequence[int] | None = None,
        depth: int | None = None,
    ) -> None:
        super().__init__()
        widths = spec.level_widths([level.channels for level in levels])
        self.featureless = sum(level.channels == 0 for level in levels)
        self.dropout = nn.Dropout(spec.dropout)
        self.deepest = nn.ModuleDict()
        if depth is None:
            depth = len(levels) - 1
            name, bridge = make_bridge(spec, levels[-1].channels, widths[-1])
            self.deepest[name] = bridge  # the name tells a lateral from a bridge
            path = [FeatureSpec(channels_of(bridge), levels[-1].stride)]
        else:
            path = [FeatureSpec(widths[depth], levels[depth].stride)]
        self.strides = [level.stride for level in levels[:depth]]
        steps: list[nn.Module] = []
        for level, width in zip(reversed(levels[:depth]), reversed(widths[:depth]), strict=True):
            step = TopDownStep(spec, path[0], level, width)
            steps.insert(0, step)
            path.insert(0, FeatureSpec(step.out_channels, level.stride))
        self.steps = nn.ModuleList(steps)
        self.read = list(range(len(levels)) if read is None else read)
        style = block_style(spec)
        self.outs = nn.ModuleList(BLOCKS[spec.out](path[i].channels, widths[i], style) for i in self.read)
        self.extra_levels = spec.extra_levels
        self.specs = self._published([path[i].stride for i in self.read])

    def _published(self, strides: list[float]) -> list[FeatureSpec]:
        factors = [getattr(out, "stride_factor", 1) for out in self.outs]
        specs = [
            FeatureSpec(channels_of(out), stride * factor)
            for out, stride, factor in zip(self.outs, strides, factors, strict=True)
        ]
        for _ in range(self.extra_levels):
            specs.append(FeatureSpec(specs[-1].channels, specs[-1].stride * 2))
        return specs

    def forward(self, features: Sequence[Tensor], image_size: Size, every_level: bool = True) -> list[Tensor]:
        """Return the maps that the head reads, finest first, from the encoder's maps, finest first.

        Without `every_level`, the finest of them alone.
        """
        path = [self.enter(features[-1])] if len(self.deepest) else []
        chain: list[Tensor | None] = [None] * self.featureless
        chain.extend(features[:-1] if path else features)
        down = zip(reversed(self.steps), reversed(chain), reversed(self.strides), strict=True)
        for step, feature, stride in down:
            size = level_size(image_size, stride) if feature is None else (feature.shape[-2], feature.shape[-1])
            path.insert(0, step(path[0] if path else None, feature, size))
        return self.publish(path, every_level)

    def enter(self, deepest: Tensor) -> Tensor:
        """Return P_L, where the top-down path begins, from the encoder's deepest map."""
        (bridge,) = self.deepest.values()
        return cast(Tensor, bridge(self.dropout(deepest)))

    def publish(self, path: Sequence[Tensor], every_level: bool) -> list[Tensor]:
        """Return the output of each level that the head reads, and the extra coarser levels; or the finest."""
        if not every_level:
            return [cast(Tensor, self.outs[0](path[self.read[0]]))]
        outs = [out(path[i]) for out, i in zip(self.outs, self.read, strict=True)]
        for _ in range(self.extra_levels):
            outs.append(F.max_pool2d(outs[-1], 1, stride=2))
        return outs


def make_bridge(spec: ArchSpec, channels: int, width: int) -> tuple[str, nn.Module]:
    """Return what leads from the encoder's deepest map onto the top-down path, and what to call it."""
    style = block_style(spec)
    if spec.bridge == "lateral":
        return "lateral", LATERALS[spec.lateral](channels, width, style)
    return "bridge", BLOCKS[spec.bridge](channels, width, style)


def level_size(image_size: Size, stride: float) -> Size:
    """Return the size of a level of that stride where every level rounds up."""
    # whole and positive numbers only: a size may be a symbol of torch.export, and ONNX divides towards zero
    over, under = stride.as_integer_ratio()
    height, width = ((extent * under + over - 1) // over for extent in image_size)
    return height, width
