"""The one network: an encoder, then stages of top-down path and head, each feeding the next; and its parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from skipbench.archs.blocks import BLOCKS, Modules, initialise, project
from skipbench.archs.bottom_up import BOTTOM_UPS
from skipbench.archs.decoder import Decoder, block_style
from skipbench.archs.encoders import normalisation
from skipbench.archs.heads import Head, resize
from skipbench.archs.hub import Pretrained
from skipbench.archs.levels import FeatureSpec, Size, level_size
from skipbench.archs.rectified import RectifiedDecoder, RectifiedPyramid
from skipbench.archs.restarts import RESTARTS, Restart
from skipbench.archs.spec import ArchSpec

Part = Literal["encoder", "lateral", "fusion", "decoder", "head"]  # of a network, for splitting its cost


class Stage(nn.Module):
    """A decoder, a block on its finest map, and a head."""

    __call__: Callable[..., tuple[list[Tensor], list[Tensor]]]

    def __init__(self, spec: ArchSpec, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        finest, *coarser = decoder.specs
        self.head_block = BLOCKS[spec.head_block](finest.channels, finest.channels, block_style(spec))
        self.head = Head(spec, [FeatureSpec(self.channels, finest.stride), *coarser])
        initialise(self)

    @property
    def channels(self) -> int:
        """The channels of the map that the head's finest logits are made from."""
        return self.head_block.out_channels

    def forward(
        self, features: Sequence[Tensor], image_size: Size, every_level: bool, predict: bool = True
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the decoder's maps, finest first, and the logits, coarse to fine; or the finest of both.

        No logits unless `predict`.
        """
        finest, *coarser = self.decoder(features, image_size, every_level or self.head.gathers)
        maps = [self.head_block(finest), *coarser]
        return maps, self.head(maps, image_size) if predict else []


class EncoderDecoder(Pretrained):
    """Any point of the design space. Build it with `create_model` or `build_model`.

    `model(image)` gives logits, `model.predictions(image)` every supervised output, `model.spec` says
    what it is.
    """

    def __init__(self, spec: ArchSpec) -> None:
        super().__init__()
        self.spec = spec
        decoder = RectifiedDecoder if spec.passes else Decoder
        levels, self.encoder = decoder.bottom_up(spec)
        self.stages = Modules([Stage(spec, decoder(spec, levels, self.encoder))])
        self.restarts: Modules[Restart] = Modules()
        if spec.stacks > 1:
            self._stack(levels)

    def _stack(self, levels: Sequence[FeatureSpec]) -> None:
        """Add the later stages, each of which starts from the finest level of the one before."""
        spec, style, depth = self.spec, block_style(self.spec), len(self.encoder.specs)
        widths = spec.level_widths([level.channels for level in levels])
        strides = [level.stride for level in levels]
        inner = [FeatureSpec(w, s) for w, s in zip(widths, strides, strict=True)]
        self.entry = project(levels[0].channels, widths[0])
        for number in range(1, spec.stacks):
            if spec.share_stacks and number > 1:
                self.restarts.append(self.restarts[0])
                self.stages.append(self.stages[1])
                continue
            bottom_up = BOTTOM_UPS[spec.bottom_up](widths[:depth], strides[:depth], style)
            features = self.stages[-1].channels
            self.restarts.append(RESTARTS[spec.restart](features, spec.classes, widths[0], style, bottom_up))
            self.stages.append(Stage(spec, Decoder(spec, inner, self.encoder)))

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation by which images from 0 to 1 are to be normalised, one per channel each."""
        return normalisation(self.spec)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """(N, in_channels, H, W) -> the last logits, (N, classes, H, W) or at the spec's head_stride.

        With outputs="levels", the logits of every level that the head reads, coarse to fine.
        """
        every_level = self.spec.outputs == "levels"
        logits = [self._fit(x, image) for x in self._run(image, every_level)[-1][1]]
        return logits if every_level else logits[-1]

    def predictions(self, image: Tensor) -> list[Tensor]:
        """Return the logits of every supervised output, float32 or finer, first to last; the last is `forward`'s.

        supervision "last": that one; "stacks": one per stage; "levels": the last stage's, coarse to fine.
        """
        supervision = self.spec.supervision
        stages = self._run(image, supervision == "levels", every_stage=supervision == "stacks")
        if supervision == "stacks":
            logits = [outputs[-1] for _, outputs in stages]
        else:
            logits = stages[-1][1] if supervision == "levels" else stages[-1][1][-1:]
        # before they are resized, which is faster and exacter than in bfloat16
        return [self._fit(x.to(torch.promote_types(x.dtype, torch.float32)), image) for x in logits]

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the last stage's maps that its head reads, finest first."""
        return self._run(image, every_level=True)[-1][0]

    def _run(
        self, image: Tensor, every_level: bool, every_stage: bool = False
    ) -> list[tuple[list[Tensor], list[Tensor]]]:
        """Return the maps (finest first) and the logits (coarse to fine) of every stage.

        Without `every_stage`, logits only of the last stage and of those that feed them to the next.
        """
        size = (image.shape[-2], image.shape[-1])
        features = self.encoder(image)
        predict = [every_stage or restart.uses_prediction for restart in self.restarts] + [True]
        results = [self.stages[0](features, size, every_level, predict[0])]
        if len(self.restarts):
            features = [self.entry(features[0])]
        for restart, stage, wanted in zip(self.restarts, list(self.stages)[1:], predict[1:], strict=True):
            maps, logits = results[-1]
            features = restart(features[0], maps[0], logits[-1] if logits else None)
            results.append(stage(features, size, every_level, wanted))
        return results

    def _fit(self, logits: Tensor, image: Tensor) -> Tensor:
        """Return the logits at the spec's head_stride."""
        if self.spec.head_stride is None:
            return logits
        size = level_size((image.shape[-2], image.shape[-1]), self.spec.head_stride)
        return resize(logits, size, self.spec.head_align_corners)


def parts_of(model: nn.Module) -> dict[nn.Module, Part]:
    """Return the part of every module of an EncoderDecoder; of any other network, which has no parts, nothing.

    A module belongs where the network put it, whatever its name is, and so does all that is inside it: a
    convolution that a fusion calls its `head` is part of the fusion. What leads to the next stack is head, but
    for its way down, which is encoder.
    """
    if not isinstance(model, EncoderDecoder):
        return {}
    return dict(_inherited(model, "decoder", dict(_placed(model))))


def _placed(model: EncoderDecoder) -> Iterator[tuple[nn.Module, Part]]:
    """Yield the modules that the network's structure gives a part of their own."""
    yield model.encoder, "encoder"
    if isinstance(model.encoder, RectifiedPyramid):
        yield model.encoder.laterals, "lateral"
        yield model.encoder.ties, "decoder"
    for stage in model.stages:
        yield stage.head_block, "head"
        yield stage.head, "head"
        if "lateral" in stage.decoder.deepest:
            yield stage.decoder.deepest["lateral"], "lateral"
        for step in stage.decoder.steps:
            yield step.lateral, "lateral"
            yield step.fusion, "fusion"
    for restart in model.restarts:
        yield restart, "head"
        yield restart.bottom_up, "encoder"


def _inherited(module: nn.Module, part: Part, placed: Mapping[nn.Module, Part]) -> Iterator[tuple[nn.Module, Part]]:
    """Yield the module and all below it, each with its own part or else that of what holds it."""
    part = placed.get(module, part)
    yield module, part
    for child in module.children():
        yield from _inherited(child, part, placed)
