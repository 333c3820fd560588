"""From a name and factors to a network."""

from typing import Any

import torch

from skipbench.archs.errors import SpecError
from skipbench.archs.fusion import FUSIONS
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.presets import PRESETS
from skipbench.archs.spec import ArchSpec


def resolve_spec(name: str, /, *, in_channels: int = 3, classes: int = 1, **factors: Any) -> ArchSpec:
    """Return the frozen spec of a registered model with some factors overridden; builds nothing.

    Raises UnknownNameError for an unknown model, factor, encoder or block, SpecError for a wrong value.
    """
    return ArchSpec.from_dict({**PRESETS[name], **factors, "in_channels": in_channels, "classes": classes})


def build_model(spec: ArchSpec) -> EncoderDecoder:
    """Return the network that a spec describes, with fresh weights (or pretrained ones in its encoder).

    Raises ArchError where the factors do not go together.
    """
    return EncoderDecoder(spec)


def blank_model(spec: ArchSpec) -> EncoderDecoder:
    """Return the network that a spec describes on the meta device: shapes, without weights or memory.

    Raises ArchError where the factors do not go together, and whatever a part raises that needs values.
    """
    with torch.device("meta"):
        return EncoderDecoder(spec.fresh)


def create_model(
    name: str, /, *, encoder_name: str | None = None, in_channels: int = 3, classes: int = 1, **factors: Any
) -> EncoderDecoder:
    """Return a registered model: `create_model("unet", encoder_name="resnet18", classes=12, fusion="add")`.

    `factors` override those of the preset by name; see `ArchSpec` for all of them. `encoder_name` is the factor
    `encoder` under the name that segmentation_models_pytorch gives it.
    Raises UnknownNameError for an unknown model, factor, encoder or block, SpecError for a wrong value.
    """
    if encoder_name is not None:
        if "encoder" in factors:
            raise SpecError("'encoder' and 'encoder_name' are one factor; give one of the two.")
        factors["encoder"] = encoder_name
    return build_model(resolve_spec(name, in_channels=in_channels, classes=classes, **factors))


def list_models(pattern: str = "*") -> list[str]:
    """Return the registered models' names that match a shell-style pattern: `list_models("hour*")`."""
    return PRESETS.names(pattern)


def list_fusions(pattern: str = "*") -> list[str]:
    """Return the registered fusions' names that match a shell-style pattern."""
    return FUSIONS.names(pattern)
