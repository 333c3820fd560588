"""The design space: one frozen `ArchSpec` per network, each field a factor that tells architectures apart."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archs.errors import SpecError, UnknownNameError, quoted

Size = tuple[int, int]  # (height, width) in pixels
ASCENT = {  # the factors with which a pass over a rectified Gaussian is exact coordinate ascent (arXiv 1507.05699)
    "fusion": "add",
    "upsample": "adjoint",
    "pre": "none",
    "post": "relu",
    "bridge": "relu",
}
PositiveInt = Field(ge=1)
Channels = Annotated[int, Field(ge=1)]
Width = Channels | tuple[Channels, ...] | None
Repeats = Field(ge=1, le=64)  # of whole blocks and networks


@dataclass(frozen=True)
class FeatureSpec:
    """What an encoder publishes of one level, and all that a decoder may assume of it.

    `stride` is in input pixels per feature pixel; it is a fraction where a patch of 14 is upsampled by 4.
    """

    channels: int
    stride: float


class ArchSpec(BaseModel):
    """Every factor of one encoder-decoder network, resolved; equal specs build equal networks.

        image -> encoder -> C1..CL (high to low resolution)
        P_L = bridge(C_L);  P_l = post(fuse(up(pre(P_{l+1})), lateral(C_l)));  out_l = out(P_l)

    Levels are counted from the finest. `width` is the decoder's channels: one number, one per decoder
    level from the finest to the coarsest, or None for the encoder's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # what goes in and what comes out
    encoder: str
    encoder_args: dict[str, Any] = Field(default_factory=dict)  # given to the encoder's constructor as they are
    pretrained: bool = False
    frozen_norm: bool = False  # the encoder's BatchNorm are constants, as where detectors are fine-tuned
    in_channels: int = PositiveInt
    classes: int = PositiveInt
    # the levels
    strides: tuple[float, ...] | None = None  # encoder levels that are used; None: all
    decoder_stride: int | None = Field(default=None, ge=1)  # decode past the encoder's finest level, to this one
    width: Width = 64
    # the top-down path
    lateral: str = "conv1x1"
    upsample: str = "nearest"
    fusion: str = "add"
    bridge: str = "none"  # a block, or "lateral": the deepest level enters as every other does
    pre: str = "none"  # a block on P_{l+1}, to the finer level's width
    post: str = "none"
    out: str = "none"
    extra_levels: int = Field(default=0, ge=0, le=16)  # coarser levels by stride-2 subsampling, as FPN's P6
    # how blocks are made
    norm: Literal["none", "batch", "group"] = "batch"
    padding: Literal["same", "valid"] = "same"
    blocks: int = Repeats  # residual units in a row wherever a residual block stands
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # on the encoder's deepest map, as in U-Net
    # prediction
    head: str = "conv1x1"
    head_block: str = "none"  # between the finest map and the head, as Hourglass's last residual
    head_levels: Literal["finest", "all", "summed", "merged"] = "finest"
    head_strides: tuple[float, ...] | None = None  # levels that are read where not "finest"; None: every one
    head_width: int | None = Field(default=None, ge=1)  # of "merged"; None: the finest map's
    head_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # of whole channels, before the head
    head_align_corners: bool = False  # wherever the head, or the last resizing of its logits, is bilinear
    share_head: bool = True  # one head for all levels, or one per level
    head_stride: int | None = Field(default=1, ge=1)  # logits' stride; None: as the decoder leaves them
    supervision: Literal["last", "stacks", "levels"] = "last"
    outputs: Literal["last", "levels"] = "last"  # of model(x): the last logits, or those of every level read
    # repetition
    stacks: int = Repeats
    restart: str = "remap"  # what a stack after the first starts from
    bottom_up: str = "pooled_residual"  # and how it goes down again
    share_stacks: bool = False  # all stacks after the first share one set of weights
    passes: int = Field(
        default=0, ge=0, le=64
    )  # layer-wise, of a rectified Gaussian (see ASCENT); 0: a plain decoder

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        if isinstance(values, dict):
            values = {"in_channels": 3, "classes": 1, "blocks": 1, "stacks": 1, **values}
        return values

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
            (self.upsample == "adjoint" and not self.passes, "upsample='adjoint' needs passes >= 1"),
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
        other = [f"{name}={value}" for name, value in ASCENT.items() if getattr(self, name) != value]
        if self.passes < 2 or not other:
            return []
        return [
            "The passes of a rectified Gaussian are coordinate ascent on its score S(z) only with "
            f"{', '.join(other)}; here they are repeated fusion, and S may fall."
        ]

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

    def to_dict(self) -> dict[str, Any]:
        """Return all factors as plain values (lists for tuples)."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, factors: dict[str, Any]) -> "ArchSpec":
        """Return the spec that `factors` describe.

        Raises UnknownNameError for an unknown factor and SpecError for a wrong value or a contradiction.
        """
        for name in factors:
            if name not in cls.model_fields:
                raise UnknownNameError("factor", name, cls.model_fields)
        try:
            return cls.model_validate(factors)
        except ValidationError as error:
            raise SpecError(_sentence(error)) from error

    def to_yaml(self) -> str:
        """Return all factors as YAML."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> "ArchSpec":
        """Return the spec that a YAML mapping describes. Raises as `from_dict` does."""
        factors = yaml.safe_load(text)
        if not isinstance(factors, dict):
            raise SpecError(f"a spec is a mapping from factors to values, not {type(factors).__name__}.")
        return cls.from_dict(factors)


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ") + "."
    return f"factor '{first['loc'][0]}' is {quoted(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}."
