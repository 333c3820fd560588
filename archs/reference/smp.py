"""segmentation_models_pytorch's Unet and FPN, on its own ResNets or on any timm encoder ("tu-...")."""

from skipbench.archs.reference.layout import LAYOUTS, Layout, Target

UNET_STEPS, FPN_LEVELS = 5, 4

COMMON: dict[str, Target] = {
    "encoder.model.*": "encoder.trunk.{}",  # timm's
    "encoder.*": "encoder.trunk.{}",
    "segmentation_head.0.*": "stages.0.head.predictors.0.{}",
    "classification_head.*": None,
}


def _step(number: int, conv: int, layer: int, name: str) -> str:
    """Blocks are counted coarse to fine, ours fine to coarse; a convolution, its norm and a ReLU are 3 layers."""
    return f"stages.0.decoder.steps.{UNET_STEPS - 1 - number}.post.{3 * (conv - 1) + layer}.{name}"


def _branch(number: int, conv: int, layer: int, name: str) -> str:
    return f"stages.0.head.merge.branches.{FPN_LEVELS - 1 - number}.{conv}.{layer}.{name}"


LAYOUTS.register("smp-unet")(Layout(presets=("unet.smp",), rules={**COMMON, "decoder.blocks.#.conv#.#.*": _step}))
LAYOUTS.register("smp-fpn")(
    Layout(
        presets=("fpn.smp",),
        rules={
            **COMMON,
            "decoder.p5.*": "stages.0.decoder.deepest.lateral.{}",
            "decoder.p#.skip_conv.*": lambda level, name: f"stages.0.decoder.steps.{level - 2}.lateral.{name}",
            "decoder.seg_blocks.#.block.#.block.#.*": _branch,
        },
    )
)
