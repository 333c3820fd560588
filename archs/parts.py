"""Which part of a network each module belongs to, for splitting its cost."""

from collections.abc import Iterator, Mapping
from typing import Literal

from torch import nn

from skipbench.archs.decoder import Decoder
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.rectified import RectifiedPyramid

Part = Literal["encoder", "lateral", "fusion", "decoder", "head"]


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
        yield from _placed_in(stage.decoder)
    for restart in model.restarts:
        yield restart, "head"
        yield restart.bottom_up, "encoder"


def _placed_in(decoder: Decoder) -> Iterator[tuple[nn.Module, Part]]:
    if "lateral" in decoder.deepest:
        yield decoder.deepest["lateral"], "lateral"
    for step in decoder.steps:
        yield step.lateral, "lateral"
        yield step.fusion, "fusion"


def _inherited(module: nn.Module, part: Part, placed: Mapping[nn.Module, Part]) -> Iterator[tuple[nn.Module, Part]]:
    """Yield the module and all below it, each with its own part or else that of what holds it."""
    part = placed.get(module, part)
    yield module, part
    for child in module.children():
        yield from _inherited(child, part, placed)
