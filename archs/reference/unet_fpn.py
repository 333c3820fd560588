"""Public U-Nets and FPNs: Milesial's, and segmentation_models_pytorch's."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from skipbench.archs.reference.layout import LAYOUTS, Layout, State, Target, extents, lack, numbers
from skipbench.archs.reference.resnets import resnet_of

# github.com/milesial/Pytorch-UNet, with transposed convolutions or (bilinear=True) without


def swap_halves(weight: Tensor) -> Tensor:
    """Milesial's decoder concatenates the skip first, ours the map from above: swap a convolution's inputs."""
    return torch.cat(weight.chunk(2, dim=1)[::-1], dim=1)


def milesial_rules(steps: int) -> dict[str, Target]:
    """Return the rules of a network of so many steps, which are counted from the coarsest."""
    return {
        "inc.double_conv.*": "encoder.blocks.0.{}",
        "down#.maxpool_conv.1.double_conv.*": "encoder.blocks.{}.{}",
        "up#.up.*": lambda step, name: f"stages.0.decoder.steps.{steps - step}.up.conv.{name}",
        "up#.conv.double_conv.*": lambda step, name: f"stages.0.decoder.steps.{steps - step}.post.{name}",
        "outc.conv.*": "stages.0.head.predictors.0.{}",
        "mask_values": None,  # the grey values of its training masks, filed among the tensors
    }


def milesial(layout: Layout, state: State) -> Layout:
    """Tell the widths and the depth, and whether it upsamples without convolutions."""
    steps = len(numbers(state, "up#.conv.*"))
    down = [state[f"down{level}.maxpool_conv.1.double_conv.3.weight"].shape[0] for level in range(1, steps + 1)]
    first = state["inc.double_conv.3.weight"].shape[0]
    widths = [first, *down]
    up = [state[f"up{step}.conv.double_conv.3.weight"].shape[0] for step in range(steps, 0, -1)]
    bilinear = "up1.up.weight" not in state
    told: dict[str, Any] = {
        "encoder_args": {"ceil_mode": False, "widths": widths},
        **extents(state, classes=("outc.conv.weight", 0)),
        **extents(state, in_channels=("inc.double_conv.0.weight", 1)),
        **({"width": (*up, widths[-1])} if bilinear else {}),
        "conv_bias": "inc.double_conv.0.bias" in state,  # as in its first releases
    }
    presets = layout.presets[::-1] if bilinear else layout.presets
    return replace(layout, presets=presets, rules=milesial_rules(steps), told=told)


LAYOUTS.register("milesial-unet")(
    Layout(
        presets=("unet.milesial", "unet.milesial_bilinear"),
        rules=milesial_rules(4),
        changes={"up#.conv.double_conv.0.weight": swap_halves},
        variant=milesial,
    )
)

# segmentation_models_pytorch's Unet and FPN, on its own ResNets or on any timm encoder ("tu-...")
COMMON: dict[str, Target] = {
    "encoder.model.*": "encoder.trunk.{}",  # timm's
    "encoder.*": "encoder.trunk.{}",
    "segmentation_head.0.*": "stages.0.head.predictors.0.{}",
    "classification_head.*": None,
}
LACKING = {  # what tells the project's other decoders, and variants of these
    "decoder.blocks.#.attention*": "attention in the decoder",
    "decoder.blocks.x_#_#.*": "UNet++'s nested skips",
    "decoder.blocks.#.block.*": "LinkNet's blocks, which narrow before they upsample",
    "decoder.center.*": "a block between encoder and decoder",
    "decoder.pab.*": "attention between encoder and decoder",
    "decoder.fpa.*": "attention over a pyramid of pooled maps",
    "decoder.feature_norms.*": "pooling over a pyramid of bins",
    "decoder.psp.*": "pooling over a pyramid of bins",
    "decoder.aspp.*": "atrous convolutions side by side",
    "decoder.mlp_stage.#.*": "a decoder that resizes all levels at once",
    "decoder.projection_blocks.*": "a transformer's tokens projected to maps",
}
OF_TIMM = (
    "no tensor tells which of timm's encoders it has: give its name without 'tu-', with encoder='NAME' "
    "(--encoder NAME)."
)
OWN = (
    "its encoder is one of the project's own that the design space lacks: a checkpoint of one of the ResNets, or "
    "of timm's encoders ('tu-...'), is read."
)


def smp_common(layout: Layout, state: State, depth: int | None) -> Layout:
    """Return the layout with the rules of an encoder that ends `depth` halvings down (None: not known), and what is
    told of it.

    Its ResNets keep the stages below, which nothing uses.
    """
    home = "encoder.model" if any(name.startswith("encoder.model.") for name in state) else "encoder"
    trunk = resnet_of(state, lambda stage: f"{home}.layer{stage}")
    told: dict[str, Any] = extents(
        state, classes=("segmentation_head.0.weight", 0), in_channels=(f"{home}.conv1.weight", 1)
    )
    plain = trunk is not None and f"{home}.conv1.weight" in state  # not with a stem of three, as a "resnet50d"
    if trunk and plain:
        told["encoder"] = trunk.name
    unused: dict[str, Target] = {f"encoder.layer{stage}.*": None for stage in range(depth or 5, 5)}
    untold = {} if plain else {"encoder": OF_TIMM if "model" in home else OWN}
    return replace(layout, rules={**unused, **COMMON}, told=told, untold=untold)


def smp_unet(layout: Layout, state: State) -> Layout:
    """Tell the decoder's widths and the encoder's depth, of which there is one block each, coarse to fine."""
    blocks = numbers(state, "decoder.blocks.#.conv1.*")
    widths = [state[f"decoder.blocks.{block}.conv1.0.weight"].shape[0] for block in blocks]
    depth = len(blocks)
    common = smp_common(layout, state, depth)
    bare = "decoder.blocks.0.conv1.1.weight" not in state
    if not bare and "decoder.blocks.0.conv1.1.running_mean" not in state:
        raise lack("a norm in the decoder that is not BatchNorm", "decoder.blocks.0.conv1.1.weight")
    layers = 2 if bare else 3  # a convolution, its norm and a ReLU

    def step(number: int, conv: int, layer: int, name: str) -> str:
        return f"stages.0.decoder.steps.{depth - 1 - number}.post.{layers * (conv - 1) + layer}.{name}"

    told = {**common.told, "width": (*widths[::-1], 2 * widths[0]), "norm": "none" if bare else "batch"}
    fed = [state[f"decoder.blocks.{block}.conv1.0.weight"].shape[1] for block in blocks]
    bare_steps = {block for block in blocks[1:] if fed[block] == widths[block - 1]}  # where the encoder has no map
    strides = tuple(2.0 ** (depth - 1 - block) for block in blocks[-2::-1] if block not in bare_steps)
    told |= {} if depth == 5 else {"strides": (*strides, 2.0**depth)}
    return replace(common, rules={**common.rules, "decoder.blocks.#.conv#.#.*": step}, told=told)


LAYOUTS.register("smp-unet")(
    Layout(
        presets=("unet.smp",),
        rules={**COMMON, "decoder.blocks.#.conv#.#.*": "stages.0.decoder.steps.{}.post.{}.{}.{}"},
        lacking=LACKING,
        open=("upsample",),
        variant=smp_unet,
    )
)


def smp_fpn(layout: Layout, state: State) -> Layout:
    """Tell the widths, and the encoder's depth by the channels that the coarsest lateral takes."""
    home = "encoder.model" if any(name.startswith("encoder.model.") for name in state) else "encoder"
    trunk = resnet_of(state, lambda stage: f"{home}.layer{stage}")
    entry = state["decoder.p5.weight"]
    depth = None
    if trunk:
        fed = [stride for stride, width in trunk.channels.items() if width == entry.shape[1]]
        depth = fed[0].bit_length() - 1 if fed else None
    common = smp_common(layout, state, depth)
    if depth is not None and depth < 4:
        raise lack("a lateral on the image itself", "decoder.p2.skip_conv.weight")
    head_width = state["decoder.seg_blocks.0.block.0.block.0.weight"].shape[0]
    if state["segmentation_head.0.weight"].shape[1] == 4 * head_width:
        raise lack("a head that merges the levels by concatenation", "segmentation_head.0.weight")
    told = {**common.told, "width": entry.shape[0], "head_width": head_width}
    told |= {"strides": tuple(2.0 ** (depth - 3 + level) for level in range(4))} if depth else {}
    return replace(common, rules={**common.rules, **layout.rules}, told=told)


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
        lacking=LACKING,
        open=("upsample", "head_stride"),
        variant=smp_fpn,
    )
)
