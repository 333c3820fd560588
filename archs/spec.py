"""The design space: one frozen `ArchSpec` per network, each field a factor that tells architectures apart.

A new factor is one field with its declaration, and the code that uses it.
"""

from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from skipbench.archs.blocks import BLOCKS
from skipbench.archs.bottom_up import BOTTOM_UPS
from skipbench.archs.encoders.base import ENCODERS
from skipbench.archs.errors import ArchError, SpecError, UnknownNameError
from skipbench.archs.factors import factor, factors_of
from skipbench.archs.fusion import FUSIONS
from skipbench.archs.resampling import UPSAMPLERS
from skipbench.archs.restarts import RESTARTS
from skipbench.display import quoted
from skipbench.errors import unknown_name

ASCENT = {  # the factors with which a pass over a rectified Gaussian is exact coordinate ascent (arXiv 1507.05699)
    "fusion": "add",
    "upsample": "adjoint",
    "pre": "none",
    "post": "relu",
    "bridge": "relu",
}
MAX_REPEATS = 64  # of whole blocks and networks
BlockName = Annotated[str, BLOCKS]
Channels = Annotated[int, Field(ge=1)]
Width = Channels | tuple[Channels, ...] | None
Norm = Literal["none", "batch", "group", "instance", "instance_bare"]


class ArchSpec(BaseModel):
    """Every factor of one encoder-decoder network, resolved; equal specs build equal networks.

        image -> encoder -> C1..CL (high to low resolution)
        P_L = bridge(C_L);  P_l = post(fuse(up_block(up(pre(P_{l+1}))), lateral(C_l)));  out_l = out(P_l)

    Levels are counted from the finest. `width` is the decoder's channels: one number, one per decoder
    level from the finest to the coarsest, or None for the encoder's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # what goes in and what comes out
    encoder: Annotated[str, ENCODERS] = factor(..., "What makes the levels C1..CL of an image.")
    encoder_args: dict[str, Any] = factor({}, "Further arguments of the encoder's constructor.")
    pretrained: bool = factor(False, "Whether the encoder begins with its published weights.")
    encoder_weights: str | None = factor(
        None, "A file of weights that a timm encoder begins with; null: fresh or published ones.", later=True
    )
    frozen_norm: bool = factor(
        False, "Whether the encoder's BatchNorms are constants, as where detectors are fine-tuned."
    )
    in_channels: int = factor(3, "The image's channels.", ge=1)
    classes: int = factor(1, "The logits' channels.", ge=1)
    # the levels
    strides: tuple[float, ...] | None = factor(
        None, "The strides of the encoder's levels that are used; null: all."
    )
    decoder_stride: int | None = factor(
        None, "The stride to decode to, past the encoder's finest level; null: not past it.", ge=1
    )
    width: Width = factor(
        64, "The decoder's channels: one number, one per level, finest first, or null: the encoder's own."
    )
    # the top-down path
    lateral: BlockName = factor("conv1x1", "The block in a skip, on the encoder's map.", silent=True)
    upsample: Annotated[str, UPSAMPLERS] = factor(
        "nearest", "How what comes from above is brought to the finer level's size.", silent=True
    )
    fusion: Annotated[str, FUSIONS] = factor(
        "add", "How what comes from above and the skip become one.", silent=True
    )
    bridge: BlockName = factor(
        "none",
        'The block on the deepest level; "lateral": it enters as the others do.',
        also="lateral",
        silent=True,
    )
    pre: BlockName = factor(
        "none", "The block before upsampling, which makes the finer level's width.", silent=True
    )
    up_block: BlockName = factor(
        "none", "The block on what has been upsampled, before fusion, as in MONAI's U-Net.", silent=True, later=True
    )
    post: BlockName = factor("none", "The block after fusion, on the path.", silent=True)
    out: BlockName = factor(
        "none", "The block after fusion, off the path, on each map that the head reads.", silent=True
    )
    extra_levels: int = factor(
        0, "How many coarser levels follow by stride-2 subsampling, as FPN's P6.", ge=0, le=16
    )
    # how blocks are made
    norm: Norm = factor(
        "batch", 'The normalisation in blocks; "instance_bare": instance without learned scales.', silent=True
    )
    activation: Literal["relu", "leaky_relu", "prelu"] = factor(
        "relu", "The nonlinearity in blocks of convolutions.", silent=True, later=True
    )
    conv_bias: bool = factor(False, "Whether convolutions that a norm follows have biases too.", later=True)
    padding: Literal["same", "valid"] = factor(
        "same", 'Whether 3x3 convolutions are padded; "valid": not, as in U-Net.', silent=True
    )
    blocks: int = factor(1, "How many residual units stand in a row in each residual block.", ge=1, le=MAX_REPEATS)
    dropout: float = factor(0.0, "The dropout on the encoder's deepest map, as in U-Net.", ge=0.0, lt=1.0)
    # prediction
    head: BlockName = factor("conv1x1", "The block that makes logits.")
    head_upsample: Annotated[str, UPSAMPLERS] = factor(
        "none",
        "What doubles maps before the head's block, and makes logits of them if it has weights; none: nothing.",
        also="none",
        silent=True,
        later=True,
    )
    head_block: BlockName = factor(
        "none", "The block between the finest map and the head, as Hourglass's last residual."
    )
    head_levels: Literal["finest", "all", "summed", "merged"] = factor(
        "finest",
        "Which maps the head reads: the finest; all; all, and their logits are summed; all, merged into one.",
    )
    head_strides: tuple[float, ...] | None = factor(
        None, "The strides of the maps that the head reads, unless it is the finest alone; null: all."
    )
    head_width: int | None = factor(None, 'The width of "merged" maps; null: the finest map\'s.', ge=1)
    head_norm: Norm = factor("group", 'The normalisation of "merged" maps\' branches.', silent=True, later=True)
    head_dropout: float = factor(0.0, "The dropout of whole channels before the head.", ge=0.0, lt=1.0)
    head_align_corners: bool = factor(
        False, "Whether bilinear resizing in the head and of its logits aligns corners.", silent=True
    )
    share_head: bool = factor(True, "Whether all levels share one head; else each has its own.")
    head_stride: int | None = factor(1, "The stride of the logits; null: as the decoder leaves them.", ge=1)
    supervision: Literal["last", "stacks", "levels"] = factor(
        "last", "Which logits learn: the last, those of every stack, or those of every level."
    )
    outputs: Literal["last", "levels"] = factor(
        "last", "What the model returns: the last logits, or those of every level that the head reads."
    )
    # repetition
    stacks: int = factor(
        1, "How many decoders with heads follow each other, as in Stacked Hourglass.", ge=1, le=MAX_REPEATS
    )
    restart: Annotated[str, RESTARTS] = factor("remap", "What a stack after the first starts from.")
    bottom_up: Annotated[str, BOTTOM_UPS] = factor(
        "pooled_residual", "How a stack after the first goes down again."
    )
    share_stacks: bool = factor(False, "Whether all stacks after the first share one set of weights.", silent=True)
    passes: int = factor(
        0, "The layer-wise passes of a rectified Gaussian; 0: one plain way down and up.", ge=0, le=MAX_REPEATS
    )

    @field_validator("*")
    @classmethod
    def _registered(cls, value: Any, info: ValidationInfo) -> Any:
        FACTORS[str(info.field_name)].require(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "ArchSpec":
        for wrong, sentence in self._contradictions():
            if wrong:
                raise ValueError(sentence)
        return self

    def _contradictions(self) -> list[tuple[bool, str]]:
        return [
            (
                self.supervision == "levels" and self.head_levels != "all",
                "supervision='levels' needs head_levels='all'",
            ),
            (
                UPSAMPLERS[self.upsample].needs_link and not self.passes,
                f"upsample='{self.upsample}' needs passes >= 1",
            ),
            (
                self.head_upsample != "none" and UPSAMPLERS[self.head_upsample].needs_link,
                f"head_upsample='{self.head_upsample}' works on a rectified Gaussian's links alone: choose another",
            ),
            (
                BLOCKS[self.lateral].stride_factor > 1,
                f"a lateral must keep its map's size, and '{self.lateral}' does not: choose another block",
            ),
            (self.passes > 0 and self.stacks > 1, "passes repeat a rectified Gaussian, so stacks must be 1"),
            (self.passes > 0 and self.padding == "valid", "a rectified Gaussian needs padding='same'"),
            (
                self.passes > 0 and self.decoder_stride is not None,
                "a rectified Gaussian has no level without an encoder feature: leave decoder_stride unset",
            ),
            (
                self.stacks > 1 and self.padding == "valid",
                "stacked networks keep their size, so stacks > 1 needs padding='same'",
            ),
            (
                self.stacks > 1 and self.decoder_stride is not None,
                "a stack starts where the one before ended, at the encoder's finest level: "
                "leave decoder_stride unset",
            ),
        ]

    @property
    def remarks(self) -> list[str]:
        """What a reader of results must know of these factors, in sentences."""
        needed = [f"{name}={value}" for name, value in ASCENT.items() if getattr(self, name) != value]
        if self.passes < 2 or not needed:
            return []
        return [
            "The passes of a rectified Gaussian are coordinate ascent on its score S(z) only with "
            f"{', '.join(needed)}; here they are repeated fusion, and S may fall."
        ]

    @property
    def refines(self) -> bool:
        """Whether supervised stacks follow each other, of which the later ones refine what half of them give."""
        return self.supervision == "stacks" and self.stacks > 1 and self.outputs == "last"

    def level_widths(self, encoder_channels: list[int]) -> list[int]:
        """Return the decoder's width per level, finest first, given the channels that each level starts from.

        Raises SpecError where `width` lists another number of levels.
        """
        if self.width is None:
            return encoder_channels
        if isinstance(self.width, int):
            return [self.width] * len(encoder_channels)
        if len(self.width) != len(encoder_channels):
            raise SpecError(
                f"width lists {len(self.width)} levels, but '{self.encoder}' gives the decoder "
                f"{len(encoder_channels)}; list one width per level, finest first."
            )
        return list(self.width)

    @property
    def weighted(self) -> bool:
        """Whether the encoder begins with weights that were learnt."""
        return self.pretrained or self.encoder_weights is not None

    @property
    def fresh(self) -> "ArchSpec":
        """The same network without them."""
        return self.model_copy(update={"pretrained": False, "encoder_weights": None})

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this network from others: a factor that came later is left out at its default.

        So a network is found again in what was recorded before there was a choice.
        """
        values = self.to_dict()
        return {name: x for name, x in values.items() if not (FACTORS[name].later and x == FACTORS[name].default)}

    def to_dict(self) -> dict[str, Any]:
        """Return all factors as plain values (lists for tuples)."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, factors: dict[str, Any]) -> "ArchSpec":
        """Return the spec that `factors` describe.

        Raises UnknownNameError for an unknown factor or choice, SpecError for a wrong value or a contradiction.
        """
        for name in factors:
            if name == "encoder_name":  # of create_model alone, and of segmentation_models_pytorch
                raise SpecError("the factor 'encoder_name' is called 'encoder'.")
            if name not in FACTORS:
                raise UnknownNameError(unknown_name("factor", name, FACTORS))
        try:
            return cls.model_validate(factors)
        except ValidationError as error:
            raise _refusal(error) from error

    def to_yaml(self) -> str:
        """Return all factors as YAML."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> "ArchSpec":
        """Return the spec that a YAML mapping describes. Raises as `from_dict` does."""
        factors = yaml.safe_load(text)
        if not isinstance(factors, dict):
            raise SpecError(f"a spec must be a mapping from factors to values, not {type(factors).__name__}.")
        return cls.from_dict(factors)


def _refusal(error: ValidationError) -> ArchError:
    first = error.errors()[0]
    if not first["loc"]:
        return SpecError(first["msg"].removeprefix("Value error, ") + ".")
    name, value = str(first["loc"][0]), first["input"]
    if first["type"] == "literal_error" and isinstance(value, str):
        return UnknownNameError(unknown_name(name, value, FACTORS[name].choices))
    return SpecError(f"factor '{name}' is {quoted(value)}: {first['msg'][0].lower()}{first['msg'][1:]}.")


FACTORS = factors_of(ArchSpec)
