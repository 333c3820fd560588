"""A network of the design space from a public implementation's checkpoint alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from skipbench.archs.encoders import ENCODERS
from skipbench.archs.errors import CheckpointError
from skipbench.archs.factory import build_model, resolve_spec
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.reference.layout import LAYOUTS, State
from skipbench.archs.reference.load import recognise
from skipbench.archs.spec import FACTORS
from skipbench.display import quoted, shown


@dataclass(frozen=True)
class Converted:
    """A network with the weights of a checkpoint.

    `unused` names tensors of the checkpoint that it does not take, `untrained` its own that are not in the
    checkpoint, `assumed` says in words which factors no tensor tells and nobody gave, and `notes` are sentences on
    what the original does and the network does not.
    """

    model: EncoderDecoder
    preset: str
    unused: list[str]
    untrained: list[str]
    assumed: list[str]
    notes: list[str] = field(default_factory=list)


def from_reference(
    source: State | str | Path, *, layout: str, preset: str | None = None, under: str | None = None, **factors: Any
) -> Converted:
    """Return the network whose weights a checkpoint has; its depth, widths and so on are told by the tensors.

    `source`, `layout` and `under` are as in `load_reference`; `factors` are those that no tensor tells, and go
    before what is told. Raises as `load_reference` and `create_model` do.
    """
    found = recognise(source, layout, under)
    presets = LAYOUTS[layout].presets
    if preset is not None and preset not in presets:
        raise CheckpointError(f"layout '{layout}' is of {' or '.join(presets)}, not of '{preset}'.")
    name = preset or found.layout.presets[0]
    config = found.weights.config
    said = {**_of_folder(config, found.layout.told), **factors}
    for asked in (words for factor, words in found.layout.untold.items() if factor not in said):
        raise CheckpointError(f"cannot load this as '{layout}': {asked}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of what the checkpoint does not fill
        model = build_model(resolve_spec(name, **{**found.layout.told, **said}))
    fresh = {key: x.clone() for key, x in model.state_dict().items() if found.layout.leaves(key)}
    found.fill(model)
    return Converted(
        model,
        name,
        found.unused(model),
        [key for key, x in fresh.items() if torch.equal(x, model.state_dict()[key])],
        [f"{key}={_assumed(model, key)}" for key in found.layout.open if _holder(key) not in said],
        _left_out(config),
    )


def _holder(key: str) -> str:
    """Return the factor in which it is given: an argument of the encoder's is given in encoder_args."""
    return key if key in FACTORS else "encoder_args"


def _assumed(model: EncoderDecoder, key: str) -> str:
    spec = model.spec.to_dict()
    return shown(spec[key] if key in FACTORS else spec["encoder_args"].get(key, "its default"))


def _left_out(config: Mapping[str, Any]) -> list[str]:
    last = config.get("activation")
    return [f"Its last activation, {quoted(last)}, is left out: the network returns logits."] if last else []


def _of_folder(config: Mapping[str, Any], tensors_tell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the factors that segmentation_models_pytorch's config.json says beside its tensors.

    Raises CheckpointError where it asks for what the design space lacks.
    """
    told: dict[str, Any] = {}
    encoder, mode = (config.get(name) for name in ("encoder_name", "decoder_interpolation"))
    if isinstance(encoder, str) and (name := encoder.removeprefix("tu-")) != encoder and name in ENCODERS:
        told["encoder"] = name
    if mode in ("nearest", "bilinear"):
        told["upsample"] = mode
    elif mode is not None:
        raise CheckpointError(
            f"its config.json has decoder_interpolation={quoted(mode)}, which no factor says: nearest and bilinear "
            "are read."
        )
    if isinstance(times := config.get("upsampling"), int) and times > 0 and "strides" in tensors_tell:
        finest = tensors_tell["strides"][0]
        if finest % times:
            raise CheckpointError("its config.json asks for logits finer than the image, which no factor says.")
        told["head_stride"] = int(finest // times)
    return told
