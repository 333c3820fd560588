"""A network of the design space from a public implementation's checkpoint alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from skipbench.archs.errors import CheckpointError
from skipbench.archs.factory import build_model, resolve_spec
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.reference.layout import LAYOUTS, State
from skipbench.archs.reference.load import recognise
from skipbench.archs.spec import FACTORS
from skipbench.display import shown


@dataclass(frozen=True)
class Converted:
    """A network with the weights of a checkpoint.

    `unused` names tensors of the checkpoint that it does not take, `untrained` its own that are not in the
    checkpoint, and `assumed` says in words which factors no tensor tells and nobody gave.
    """

    model: EncoderDecoder
    preset: str
    unused: list[str]
    untrained: list[str]
    assumed: list[str]


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
    said = {**_of_folder(found.weights.config), **factors}
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
    )


def _holder(key: str) -> str:
    """Return the factor in which it is given: an argument of the encoder's is given in encoder_args."""
    return key if key in FACTORS else "encoder_args"


def _assumed(model: EncoderDecoder, key: str) -> str:
    spec = model.spec.to_dict()
    return shown(spec[key] if key in FACTORS else spec["encoder_args"].get(key, "its default"))


def _of_folder(config: Any) -> dict[str, Any]:
    """Return the factors that segmentation_models_pytorch's config.json says beside its tensors."""
    told: dict[str, Any] = {}
    if isinstance(encoder := config.get("encoder_name"), str):
        told["encoder"] = encoder.removeprefix("tu-")
    if (mode := config.get("decoder_interpolation")) in ("nearest", "bilinear"):
        told["upsample"] = mode
    return told
