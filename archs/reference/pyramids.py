"""Public FPNs on ResNets: torchvision's, Detectron2's, and mmsegmentation's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from skipbench.archs.reference.layout import LAYOUTS, Layout, State, Target, extents, numbers
from skipbench.archs.reference.resnets import ResNet, resnet_of

EPS = 1e-5  # of BatchNorm, here and in torchvision


def lateral(depth: int, level: int, name: str) -> str:
    """Return where the lateral of a level belongs, of `depth` levels counted from the finest, 0."""
    place = "deepest" if level == depth - 1 else f"steps.{level}"
    return f"stages.0.decoder.{place}.lateral.{name}"


def told_of_neck(trunk: ResNet | None, laterals: Mapping[str, Any], learned: bool) -> dict[str, Any]:
    """Return the factors that the laterals tell, finest first: from which strides they start, and the width.

    `learned`: coarser levels are made by convolutions, which no factor says, so none is made.
    """
    fed = [weight.shape[1] for weight in laterals.values()]
    told: dict[str, Any] = {"width": next(iter(laterals.values())).shape[0]}
    if trunk:
        strides = {channels: float(stride) for stride, channels in trunk.channels.items()}
        told |= {"encoder": trunk.name, "strides": tuple(strides[channels] for channels in fed)}
    return {**told, "extra_levels": 0} if learned else told


# torchvision's ResNet FPN backbone, alone or inside a detector; before 0.13 its convolutions have no "0."


def torchvision_rules(depth: int) -> dict[str, Target]:
    """Return the rules of a backbone of `depth` levels."""
    return {
        "body.*": "encoder.trunk.{}",
        "fpn.extra_blocks.*": None,
        "fpn.inner_blocks.#.*": lambda level, name: lateral(depth, level, name.removeprefix("0.")),
        "fpn.layer_blocks.#.*": lambda level, name: f"stages.0.decoder.outs.{level}.{name.removeprefix('0.')}",
    }


def torchvision(layout: Layout, state: State) -> Layout:
    """Tell the trunk, which of its levels are used, and the width."""
    levels = numbers(state, "fpn.inner_blocks.#.*")
    trunk = resnet_of(state, lambda stage: f"body.layer{stage}")
    dotted = "" if "fpn.inner_blocks.0.weight" in state else "0."
    laterals = {f"{level}": state[f"fpn.inner_blocks.{level}.{dotted}weight"] for level in levels}
    told = told_of_neck(trunk, laterals, learned=bool(numbers(state, "fpn.extra_blocks.p#.*")))
    told |= extents(state, in_channels=("body.conv1.weight", 1))
    return replace(layout, rules=torchvision_rules(len(levels)), told=told)


PLAIN = Layout(
    presets=("fpn.torchvision",),
    rules=torchvision_rules(4),
    fresh=("stages.0.head.*",),
    lacking={
        "body.#.*": "a trunk whose levels lie inside a stage, as MobileNet's",
        "fpn.inner_blocks.#.1.*": "a norm in the neck",
    },
    variant=torchvision,
)
LAYOUTS.register("torchvision-fpn")(PLAIN)

# The detectors released as COCO_V1 are run by torchvision with BatchNorm's eps = 0, which no checkpoint tells.
LAYOUTS.register("torchvision-fpn-coco-v1")(
    replace(PLAIN, changes={"*.running_var": lambda variance: variance - EPS})  # the norm adds it again
)

# Detectron2's ResNet FPN, alone or inside a detector; levels are called by their halvings


def detectron2_rules(finest: int, depth: int) -> dict[str, Target]:
    """Return the rules of a backbone of `depth` levels from the one of `finest` halvings on."""
    unit = "encoder.trunk.layer{}.{}"

    def stage(place: str) -> Target:
        return lambda number, *rest: place.format(number - 1, *rest)

    return {
        "bottom_up.stem.conv1.norm.*": "encoder.trunk.bn1.{}",
        "bottom_up.stem.conv1.weight": "encoder.trunk.conv1.weight",
        "bottom_up.res#.#.shortcut.norm.*": stage(f"{unit}.downsample.1.{{}}"),
        "bottom_up.res#.#.shortcut.weight": stage(f"{unit}.downsample.0.weight"),
        "bottom_up.res#.#.conv#.norm.*": stage(f"{unit}.bn{{}}.{{}}"),
        "bottom_up.res#.#.conv#.weight": stage(f"{unit}.conv{{}}.weight"),
        "bottom_up.linear.*": None,
        "fpn_lateral#.*": lambda level, name: lateral(depth, level - finest, name),
        "fpn_output#.*": lambda level, name: f"stages.0.decoder.outs.{level - finest}.{name}",
        "top_block.*": None,
    }


def detectron2(layout: Layout, state: State) -> Layout:
    """Tell the trunk, which of its levels are used, and the width."""
    levels = numbers(state, "fpn_lateral#.*")
    trunk = resnet_of(state, lambda stage: f"bottom_up.res{stage + 1}")
    laterals = {f"{level}": state[f"fpn_lateral{level}.weight"] for level in levels}
    told = told_of_neck(trunk, laterals, learned=any(name.startswith("top_block.") for name in state))
    told |= extents(state, in_channels=("bottom_up.stem.conv1.weight", 1))
    if trunk and not trunk.bottleneck:
        told["encoder_args"] = {}  # a basic unit strides in its first convolution in any case
    return replace(layout, rules=detectron2_rules(levels[0], len(levels)), told=told)


LAYOUTS.register("detectron2-fpn")(
    Layout(
        presets=("fpn.detectron2",),
        rules=detectron2_rules(2, 4),
        fresh=("stages.0.head.*",),
        lacking={
            "fpn_lateral#.norm.*": "a norm in the neck",
            "bottom_up.res#.#.conv#_offset.*": "deformable convolutions",
        },
        open=("stride_in_1x1",),
        variant=detectron2,
    )
)

# mmsegmentation's FPNHead on its FPN neck; the names of a checkpoint of the whole segmentor


def mmseg_rules(depth: int) -> dict[str, Target]:
    """Return the rules of a segmentor of `depth` levels; in its branches a resizing follows each convolution."""
    branch = "stages.0.head.merge.branches.{}.{}.{}.{}"
    return {
        "auxiliary_head.*": None,
        "backbone.stem.7.*": "encoder.trunk.bn1.{}",
        "backbone.stem.#.*": "encoder.trunk.conv1.{}.{}",
        "backbone.fc.*": None,
        "backbone.*": "encoder.trunk.{}",
        "neck.lateral_convs.#.conv.*": lambda level, name: lateral(depth, level, name),
        "neck.fpn_convs.#.conv.*": "stages.0.decoder.outs.{}.{}",
        "decode_head.scale_heads.#.#.conv.*": lambda level, layer, name: branch.format(level, layer // 2, 0, name),
        "decode_head.scale_heads.#.#.bn.*": lambda level, layer, name: branch.format(level, layer // 2, 1, name),
        "decode_head.scale_heads.#.#.gn.*": lambda level, layer, name: branch.format(level, layer // 2, 1, name),
        "decode_head.conv_seg.*": "stages.0.head.predictors.0.{}",
    }


def mmseg(layout: Layout, state: State) -> Layout:
    """Tell the trunk and its stem, the levels, the widths and the norm of the branches."""
    levels = numbers(state, "neck.lateral_convs.#.*")
    trunk = resnet_of(state, lambda stage: f"backbone.layer{stage}")
    laterals = {f"{level}": state[f"neck.lateral_convs.{level}.conv.weight"] for level in levels}
    told = told_of_neck(trunk, laterals, learned=False)
    stem = "backbone.stem.0.weight" if "backbone.stem.0.weight" in state else "backbone.conv1.weight"
    if trunk and "stem" in stem:
        pooled = state.get("backbone.layer2.0.downsample.1.weight")
        told["encoder"] += "d" if pooled is not None and pooled.dim() == 4 else "c"
    first = "decode_head.scale_heads.0.0"
    head = state[f"{first}.conv.weight"]
    norms = {f"{first}.bn.weight": "batch", f"{first}.gn.weight": "group"}
    told |= {
        **extents(state, in_channels=(stem, 1)),
        **extents(state, classes=("decode_head.conv_seg.weight", 0)),
        "head_width": head.shape[0],
        "head_norm": next((norm for name, norm in norms.items() if name in state), "none"),
    }
    return replace(layout, rules=mmseg_rules(len(levels)), told=told)


LAYOUTS.register("mmseg-fpn")(
    Layout(
        presets=("fpn.mmseg",),
        rules=mmseg_rules(4),
        lacking={
            "neck.lateral_convs.#.bn.*": "a norm in the neck",
            "backbone.layer#.#.conv2_offset.*": "deformable convolutions",
        },
        open=("head_align_corners",),
        variant=mmseg,
    )
)
