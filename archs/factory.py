"""From a name and factors to a network."""

from typing import Any

from archs.fusion import FUSIONS
from archs.model import EncoderDecoder
from archs.presets import PRESETS
from archs.spec import ArchSpec


def resolve_spec(
    name: str, /, *, encoder_name: str | None = None, in_channels: int = 3, classes: int = 1, **factors: Any
) -> ArchSpec:
    """Return the frozen spec of a registered model with some factors overridden; builds nothing.

    Raises UnknownNameError for an unknown model, factor, encoder or block, SpecError for a wrong value.
    """
    chosen = {**PRESETS[name], **factors, "in_channels": in_channels, "classes": classes}
    if encoder_name is not None:
        chosen["encoder"] = encoder_name
    return ArchSpec.from_dict(chosen)


def build_model(spec: ArchSpec) -> EncoderDecoder:
    """Return the network that a spec describes, with fresh weights (or pretrained ones in its encoder).

    Raises ArchError where the factors do not go together.
    """
    return EncoderDecoder(spec)


def create_model(
    name: str, /, *, encoder_name: str | None = None, in_channels: int = 3, classes: int = 1, **factors: Any
) -> EncoderDecoder:
    """Return a registered model: `create_model("unet", encoder_name="resnet18", classes=12, fusion="add")`.

    `factors` override those of the preset by name; see `ArchSpec` for all of them.
    Raises UnknownNameError for an unknown model, factor, encoder or block, SpecError for a wrong value.
    """
    return build_model(
        resolve_spec(name, encoder_name=encoder_name, in_channels=in_channels, classes=classes, **factors)
    )


def list_models(pattern: str = "*") -> list[str]:
    """Return the registered models' names that match a shell-style pattern: `list_models("hour*")`."""
    return PRESETS.names(pattern)


def list_fusions(pattern: str = "*") -> list[str]:
    """Return the registered fusions' names that match a shell-style pattern."""
    return FUSIONS.names(pattern)
