"""Encoders: the four papers' own, and any timm model."""

from typing import Any, cast

from timm.layers.norm_act import freeze_batch_norm_2d
from torch import nn

from skipbench.archs.encoders.base import ENCODERS, Encoder, SimplePyramid, register_encoder
from skipbench.archs.encoders.paper import DoubleConvEncoder
from skipbench.archs.encoders.timm import TimmEncoder
from skipbench.archs.encoders.weights import normalisation, require_published
from skipbench.archs.errors import ArchError, SpecError
from skipbench.archs.spec import ArchSpec
from skipbench.display import first_line

__all__ = [
    "ENCODERS",
    "DoubleConvEncoder",
    "Encoder",
    "SimplePyramid",
    "TimmEncoder",
    "build_encoder",
    "list_encoders",
    "normalisation",
    "register_encoder",
    "require_published",
]


def list_encoders(pattern: str = "*") -> list[str]:
    """Return the encoders' names that match a shell-style pattern: the papers' own, then timm's."""
    return ENCODERS.names(pattern)


def build_encoder(spec: ArchSpec) -> Encoder:
    """Return the encoder that a spec names, at the spec's strides; a flat one gets a simple pyramid.

    Raises UnknownNameError for an unknown name, SpecError for arguments that it does not take or strides
    that it does not have.
    """
    made = ENCODERS[spec.encoder]
    if spec.weighted and not made.pretrainable:
        off = "leave out encoder_weights" if spec.encoder_weights else "set pretrained=False"
        raise SpecError(f"encoder '{spec.encoder}' has no pretrained weights: name a timm encoder, or {off}.")
    try:
        encoder = made(spec, **spec.encoder_args)
    except ArchError:
        raise
    except Exception as error:  # constructors raise anything, given strange arguments
        words = f"{type(error).__name__}: {first_line(error)}"
        raise SpecError(f"encoder '{spec.encoder}' does not take these encoder_args ({words}).") from error
    if min(level.channels for level in encoder.specs) < 1:
        raise SpecError(f"encoder '{spec.encoder}' would have a level without channels: give widths of 1 or more.")
    if encoder.flat:
        encoder = SimplePyramid(encoder)
    if spec.frozen_norm:
        _freeze_norm(encoder, spec.weighted)
    if spec.strides is not None:
        encoder.keep_strides(spec.strides)
    return encoder


def _freeze_norm(encoder: Encoder, pretrained: bool) -> None:
    """Make constants of every BatchNorm; of fresh ones the identity: a branch that starts at 0 would stay there."""
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d) and not pretrained:
            module.reset_parameters()
    cast(Any, freeze_batch_norm_2d)(encoder)  # untyped in timm
