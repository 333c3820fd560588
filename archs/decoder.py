"""The top-down path that all architectures share."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import BLOCKS, Block, BlockStyle, Modules
from skipbench.archs.encoders import Encoder, build_encoder
from skipbench.archs.fusion import FUSIONS, Fusion
from skipbench.archs.levels import FeatureSpec, Size, level_size
from skipbench.archs.resampling import UPSAMPLERS, Link, center_fit
from skipbench.archs.spec import ArchSpec


def block_style(spec: ArchSpec) -> BlockStyle:
    """Return what all blocks of this network have in common."""
    return BlockStyle(spec.norm, spec.padding, spec.blocks, spec.activation, spec.conv_bias)


class TopDownStep(nn.Module):
    """One step from a level to the finer one: P_l = post(fuse(up_block(up(pre(P_{l+1}))), lateral(C_l))).

    A level without an encoder feature (0 channels) has no lateral, and its fusion is `coarse_only`. What a fusion
    does not use gets no parameters and is not computed, but for what comes from above on an unpadded path, whose
    sizes it gives. Where nothing is upsampled or fused, there is no `up_block`. `link` is what ties the two levels
    of a rectified Gaussian. Publishes `out_channels` and
    `top_down`, whether what comes from above is computed.
    """

    __call__: Callable[[Any, Tensor | None, Tensor | None, Size], Tensor]

    def __init__(
        self, spec: ArchSpec, coarse: FeatureSpec, fine: FeatureSpec, width: int, link: Link | None = None
    ) -> None:
        super().__init__()
        style = block_style(spec)
        fusion = FUSIONS[spec.fusion if fine.channels else "coarse_only"]
        self.ratio = coarse.stride / fine.stride
        self.unpadded = spec.padding == "valid"
        self.top_down = needs_top(spec, fusion)
        pre, upsample = (spec.pre, spec.upsample) if "coarse" in fusion.uses else ("none", "nearest")
        lateral = spec.lateral if "skip" in fusion.uses else "identity"
        self.pre = BLOCKS[pre](coarse.channels, width, style)
        self.up = UPSAMPLERS[upsample](self.pre.out_channels, width, self.ratio)
        if link is not None:
            self.up.tie(link)
        refined = self.ratio > 1 and fine.channels and "coarse" in fusion.uses
        self.up_block = BLOCKS[spec.up_block if refined else "none"](self.up.out_channels, width, style)
        self.lateral = BLOCKS[lateral](fine.channels, width, style)
        top_channels, skip_channels = self.up_block.out_channels, self.lateral.out_channels
        fused = fusion.fused_channels(top_channels, skip_channels, width)
        self.fusion = fusion(top_channels, skip_channels, fused)
        self.post = BLOCKS[spec.post](fused, width, style)
        self.out_channels = self.post.out_channels

    def top(self, coarse: Tensor, size: Size, below: Tensor | None = None) -> Tensor:
        """Return what comes from above, (N, C, h, w) -> (N, C', *size); unpadded, a multiple of (h, w) instead."""
        coarse = self.pre(coarse)
        if self.unpadded:
            step = max(1, round(self.ratio))
            size = (coarse.shape[-2] * step, coarse.shape[-1] * step)
        return self.up_block(self.up(coarse, size, below))

    def merge(self, top: Tensor | None, feature: Tensor | None) -> Tensor:
        """Return P_l from what comes from above and the encoder's map C_l; None stands for what there is not."""
        skip = cast(Tensor, top) if feature is None else self.lateral(feature)
        if self.unpadded and top is not None:
            skip = center_fit(skip, (top.shape[-2], top.shape[-1]))
        return self.post(self.fusion(top, skip))

    def forward(self, coarse: Tensor | None, feature: Tensor | None, size: Size) -> Tensor:
        """Return P_l, (N, out_channels, *size), from P_{l+1} (None where not `top_down`) and C_l."""
        top = self.top(coarse, size) if coarse is not None and self.top_down else None
        return self.merge(top, feature)


def needs_top(spec: ArchSpec, fusion: type[Fusion]) -> bool:
    """Return whether a step has to compute what comes from above: for its fusion, or for the sizes of its crops."""
    return "coarse" in fusion.uses or spec.padding == "valid"


class Decoder(nn.Module):
    """Bridge, top-down steps and output blocks for a chain of levels, finest first.

    `levels` are those that the spec asks for, `encoder` is what gives them: the finest ones alone where the output
    depends on no others, and then nothing is built for these. `links` tie neighbouring levels, if anything does.
    Publishes `specs`, the FeatureSpec of each map that it returns.
    """

    __call__: Callable[[Any, Sequence[Tensor], Size, bool], list[Tensor]]

    def __init__(
        self, spec: ArchSpec, levels: Sequence[FeatureSpec], encoder: Encoder, links: Sequence[Link] = ()
    ) -> None:
        super().__init__()
        featureless = featureless_levels(spec, levels)
        levels = [*featureless, *levels]
        widths = spec.level_widths([level.channels for level in levels])
        self.featureless = len(featureless)
        self.dropout = nn.Dropout(spec.dropout)
        self.deepest = nn.ModuleDict()
        depth = len(featureless) + len(encoder.specs)
        if depth == len(levels):
            depth -= 1
            name, bridge = make_bridge(spec, levels[-1].channels, widths[-1])
            self.deepest[name] = bridge  # the name tells a lateral from a bridge
            path = [FeatureSpec(bridge.out_channels, levels[-1].stride)]
        else:
            path = [FeatureSpec(widths[depth], levels[depth].stride)]
        self.strides = [level.stride for level in levels[:depth]]
        steps: list[TopDownStep] = []
        for i in reversed(range(depth)):
            step = TopDownStep(spec, path[0], levels[i], widths[i], links[i] if links else None)
            steps.insert(0, step)
            path.insert(0, FeatureSpec(step.out_channels, levels[i].stride))
        self.steps = Modules(steps)
        self.read = levels_to_read(spec, levels)
        style = block_style(spec)
        alike = spec.share_head and spec.head_levels in ("all", "summed")  # one head reads maps of one width
        self.outs = Modules(
            BLOCKS[spec.out](path[i].channels, widths[self.read[0] if alike else i], style) for i in self.read
        )
        self.extra_levels = spec.extra_levels
        self.specs = [
            FeatureSpec(out.out_channels, path[i].stride * out.stride_factor)
            for out, i in zip(self.outs, self.read, strict=True)
        ]
        for _ in range(self.extra_levels):
            self.specs.append(FeatureSpec(self.specs[-1].channels, self.specs[-1].stride * 2))

    @classmethod
    def bottom_up(cls, spec: ArchSpec) -> tuple[list[FeatureSpec], Encoder]:
        """Return the levels that the spec asks for, and the encoder of those that the output depends on."""
        if spec.head_levels == "finest" and not needs_top(spec, FUSIONS[spec.fusion]):
            with torch.device("meta"):
                levels = build_encoder(spec.fresh).specs
            if [level.stride for level in levels].count(levels[0].stride) == 1:
                return levels, build_encoder(spec.model_copy(update={"strides": (levels[0].stride,)}))
        encoder = build_encoder(spec)
        return encoder.specs, encoder

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
            return [self.outs[0](path[self.read[0]])]
        outs = [out(path[i]) for out, i in zip(self.outs, self.read, strict=True)]
        for _ in range(self.extra_levels):
            outs.append(F.max_pool2d(outs[-1], 1, stride=2))
        return outs


def make_bridge(spec: ArchSpec, channels: int, width: int) -> tuple[str, Block]:
    """Return what leads from the encoder's deepest map onto the top-down path, and what to call it."""
    name, block = ("lateral", spec.lateral) if spec.bridge == "lateral" else ("bridge", spec.bridge)
    return name, BLOCKS[block](channels, width, block_style(spec))


def featureless_levels(spec: ArchSpec, levels: Sequence[FeatureSpec]) -> list[FeatureSpec]:
    """Return the levels finer than the encoder's finest, each twice as fine as the next, that the spec asks for."""
    if spec.decoder_stride is None:
        return []
    strides: list[float] = []
    while (finest := strides[-1] if strides else levels[0].stride) > spec.decoder_stride:
        strides.append(max(finest / 2, spec.decoder_stride))
    return [FeatureSpec(0, stride) for stride in reversed(strides)]


def levels_to_read(spec: ArchSpec, levels: Sequence[FeatureSpec]) -> list[int]:
    """Return the indices of the levels that the head reads, finest first.

    `head_strides` are those of the published maps; of several levels with one stride the deepest is read.
    """
    if spec.head_levels == "finest":
        return [0]
    if spec.head_strides is None:
        return list(range(len(levels)))
    index = {level.stride * BLOCKS[spec.out].stride_factor: i for i, level in enumerate(levels)}
    return sorted(index[stride] for stride in spec.head_strides if stride in index)
