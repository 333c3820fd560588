"""Any timm model with `features_only` as an encoder."""

from typing import Any

import timm
from torch import Tensor

from archs.encoders.base import Encoder
from archs.errors import ArchError, SpecError, UnknownNameError
from archs.spec import ArchSpec, FeatureSpec


class TimmEncoder(Encoder):
    """A timm trunk by name, without its classifier; `encoder_args` go to `timm.create_model`.

    Nothing deeper than the last of the spec's `strides` is built.
    Raises UnknownNameError for a name that timm does not know, SpecError for arguments that it refuses.
    """

    def __init__(self, spec: ArchSpec, **timm_args: Any) -> None:
        super().__init__()
        require_timm_name(spec.encoder)
        options = {"pretrained": spec.pretrained, "in_chans": spec.in_channels, **timm_args}
        self.trunk = _create(spec.encoder, options)
        deep_enough = _depth(self.trunk.feature_info.reduction(), spec.strides)
        if deep_enough is not None and "out_indices" not in options:
            self.trunk = _create(spec.encoder, {**options, "out_indices": tuple(range(deep_enough))})
        info = self.trunk.feature_info
        self.specs = [FeatureSpec(c, s) for c, s in zip(info.channels(), info.reduction(), strict=True)]
        self.channels_last = str(getattr(self.trunk, "output_fmt", "NCHW")).endswith("NHWC")

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the trunk's maps as (N, C_l, H_l, W_l), finest first."""
        maps = list(self.trunk(image))
        return [x.permute(0, 3, 1, 2).contiguous() for x in maps] if self.channels_last else maps


def require_timm_name(name: str) -> None:
    """Raise UnknownNameError where timm has no model `name` (with or without a ".tag")."""
    from archs.encoders import list_encoders

    if not timm.is_model(name.split(".")[0]):
        raise UnknownNameError("encoder", name, list_encoders())


def _create(name: str, options: dict[str, Any]) -> Any:
    try:
        return timm.create_model(name, features_only=True, **options)
    except ArchError:
        raise
    except Exception as error:  # timm raises whatever the model's constructor does
        raise SpecError(f"timm cannot build encoder '{name}' with {options}: {error}.") from error


def _depth(reductions: list[float], strides: tuple[float, ...] | None) -> int | None:
    """Return how many levels are needed, None where all are (or where a flat trunk becomes a pyramid)."""
    if strides is None or len(set(reductions)) == 1:
        return None
    needed = sum(reduction <= max(strides) for reduction in reductions)
    return needed if 0 < needed < len(reductions) else None
