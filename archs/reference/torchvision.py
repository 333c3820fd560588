"""torchvision's ResNet-50 FPN backbone, alone or inside a detector."""

from dataclasses import replace

from skipbench.archs.reference.layout import LAYOUTS, Layout, Target

DEEPEST = 3  # of the four levels C2..C5, counted from 0
EPS = 1e-5  # of BatchNorm, here and in torchvision


def _lateral(level: int, name: str) -> str:
    place = "deepest" if level == DEEPEST else f"steps.{level}"
    return f"stages.0.decoder.{place}.lateral.{name.removeprefix('0.')}"  # before 0.13 there is no "0."


def _output(level: int, name: str) -> str:
    return f"stages.0.decoder.outs.{level}.{name.removeprefix('0.')}"


BACKBONE: dict[str, Target] = {
    "body.*": "encoder.trunk.{}",
    "fpn.inner_blocks.#.*": _lateral,
    "fpn.layer_blocks.#.*": _output,
}

PLAIN = Layout(
    presets=("fpn.torchvision",),
    rules={
        **BACKBONE,
        **{f"backbone.{pattern}": target for pattern, target in BACKBONE.items()},
        "rpn.*": None,
        "roi_heads.*": None,
    },
    fresh=("stages.0.head.*",),
)
LAYOUTS.register("torchvision-fpn")(PLAIN)

# The detectors released as COCO_V1 are run by torchvision with BatchNorm's eps = 0, which no checkpoint tells.
LAYOUTS.register("torchvision-fpn-coco-v1")(
    replace(PLAIN, changes={"*.running_var": lambda variance: variance - EPS})  # the norm adds it again
)
