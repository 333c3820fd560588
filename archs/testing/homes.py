"""The networks that a part is for, and the channels and sizes that they give it."""

from dataclasses import dataclass
from typing import Any

from skipbench.archs.factory import blank_model, resolve_spec
from skipbench.archs.levels import Size, level_size
from skipbench.archs.testing.cases import Triple

MODELS = ("fpn", "hourglass", "unet")  # the controlled ones; a rectified Gaussian gives a fusion what an FPN does
DEEPEST = 2  # levels whose sizes are tried


@dataclass(frozen=True)
class Home:
    """Channels (coarse, skip, out) and map sizes of the controlled networks on one encoder; `name` says which."""

    name: str
    channels: tuple[Triple, ...]
    sizes: tuple[Size, ...]

    @classmethod
    def of(cls, image_size: Size = (96, 80), **factors: Any) -> "Home":
        """Return what these networks, with some factors overridden, give their fusions for images of that size.

        Raises ArchError where they cannot be built so.
        """
        specs = [resolve_spec(name, **{**factors, "fusion": "concat"}) for name in MODELS]
        built = [blank_model(spec) for spec in specs]
        spec, steps = built[0].spec, [step for model in built for step in model.stages[0].decoder.steps]
        fusions = [step.fusion for step in steps if step.lateral.out_channels]
        triples = sorted(
            {(fusion.coarse_channels, fusion.skip_channels, fusion.out_channels) for fusion in fusions}
        )
        strides = sorted({stride for model in built for stride in model.stages[0].decoder.strides}, reverse=True)
        sizes = [level_size(image_size, stride) for stride in strides[:DEEPEST]]
        height, width = image_size
        place = f"networks on {spec.encoder} with width={spec.width} for images of {height}x{width}"
        return cls(place, tuple(triples), tuple(sizes))
