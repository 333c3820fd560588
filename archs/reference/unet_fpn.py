"""Public U-Nets and FPNs: Milesial's, segmentation_models_pytorch's and torchvision's."""

from dataclasses import replace

import torch
from torch import Tensor

from skipbench.archs.reference.layout import LAYOUTS, Layout, Target

# github.com/milesial/Pytorch-UNet, with transposed convolutions or (bilinear=True) without
STEPS = 4


def swap_halves(weight: Tensor) -> Tensor:
    """Milesial's decoder concatenates the skip first, ours the map from above: swap a convolution's inputs."""
    return torch.cat(weight.chunk(2, dim=1)[::-1], dim=1)


LAYOUTS.register("milesial-unet")(
    Layout(
        presets=("unet.milesial", "unet.milesial_bilinear"),
        rules={
            "inc.double_conv.*": "encoder.blocks.0.{}",
            "down#.maxpool_conv.1.double_conv.*": "encoder.blocks.{}.{}",
            "up#.up.*": lambda step, name: f"stages.0.decoder.steps.{STEPS - step}.up.conv.{name}",
            "up#.conv.double_conv.*": lambda step, name: f"stages.0.decoder.steps.{STEPS - step}.post.{name}",
            "outc.conv.*": "stages.0.head.predictors.0.{}",
            "mask_values": None,  # the grey values of its training masks, filed among the tensors
        },
        changes={"up#.conv.double_conv.0.weight": swap_halves},
    )
)

# segmentation_models_pytorch's Unet and FPN, on its own ResNets or on any timm encoder ("tu-...")
COMMON: dict[str, Target] = {
    "encoder.model.*": "encoder.trunk.{}",  # timm's
    "encoder.*": "encoder.trunk.{}",
    "segmentation_head.0.*": "stages.0.head.predictors.0.{}",
    "classification_head.*": None,
}


def smp_step(number: int, conv: int, layer: int, name: str) -> str:
    """Blocks are counted coarse to fine, ours fine to coarse; a convolution, its norm and a ReLU are 3 layers."""
    return f"stages.0.decoder.steps.{4 - number}.post.{3 * (conv - 1) + layer}.{name}"


LAYOUTS.register("smp-unet")(
    Layout(presets=("unet.smp",), rules={**COMMON, "decoder.blocks.#.conv#.#.*": smp_step})
)
LAYOUTS.register("smp-fpn")(
    Layout(
        presets=("fpn.smp",),
        rules={
            **COMMON,
            "decoder.p5.*": "stages.0.decoder.deepest.lateral.{}",
            "decoder.p#.skip_conv.*": lambda level, name: f"stages.0.decoder.steps.{level - 2}.lateral.{name}",
            "decoder.seg_blocks.#.block.#.block.#.*": (
                lambda number, conv, layer, name: f"stages.0.head.merge.branches.{3 - number}.{conv}.{layer}.{name}"
            ),
        },
    )
)

# torchvision's ResNet-50 FPN backbone, alone or inside a detector
DEEPEST = 3  # of the four levels C2..C5, counted from 0
EPS = 1e-5  # of BatchNorm, here and in torchvision


def torchvision_lateral(level: int, name: str) -> str:
    place = "deepest" if level == DEEPEST else f"steps.{level}"
    return f"stages.0.decoder.{place}.lateral.{name.removeprefix('0.')}"  # before 0.13 there is no "0."


BACKBONE: dict[str, Target] = {
    "body.*": "encoder.trunk.{}",
    "fpn.inner_blocks.#.*": torchvision_lateral,
    "fpn.layer_blocks.#.*": lambda level, name: f"stages.0.decoder.outs.{level}.{name.removeprefix('0.')}",
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
