"""U-Nets of medical imaging: nnU-Net's PlainConvUNet and MONAI's UNet, both for two dimensions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from skipbench.archs.reference.layout import LAYOUTS, Layout, State, Target, extents, lack, numbers

POSTS = {1: "conv3x3_norm_relu", 2: "double_conv"}  # by the convolutions of a decoder's stage


def require_plain(state: State, kernel: int = 3) -> None:
    """Raise CheckpointError where convolutions have other axes, or kernels other than 1, 2 or `kernel`."""
    for name, weight in state.items():
        if isinstance(weight, Tensor) and name.endswith("weight") and weight.dim() > 2:
            if weight.dim() != 4:
                raise lack(f"{weight.dim() - 2} dimensions instead of two", name)
            if "transpconvs" not in name and set(weight.shape[2:]) - {1, kernel}:
                raise lack(f"{weight.shape[2]}x{weight.shape[3]} convolutions", name)


def norm_of(state: State, name: str) -> str:
    """Return the norm whose tensors begin so, as far as these tell it."""
    if f"{name}.running_mean" in state:
        return "batch"
    return "instance" if f"{name}.weight" in state else "instance_bare"


# nnU-Net's: in a stage `all_modules` files each layer a second time, and the decoder files the whole encoder again


def nnunet_rules(steps: int, heads: int, layers: int) -> dict[str, Target]:
    """Return the rules of a decoder of so many steps and heads, which are counted from the coarsest.

    `layers` are those of a convolution: itself, its norm and the nonlinearity.
    """
    step = "stages.0.decoder.steps.{}.{}.{}"

    def stage(layer: int) -> Callable[..., str]:
        return lambda level, conv, name: f"encoder.stages.{level}.body.{layers * conv + layer}.{name}"

    def post(layer: int) -> Callable[..., str]:
        return lambda number, conv, name: step.format(steps - 1 - number, f"post.{layers * conv + layer}", name)

    return {
        "encoder.stages.#.0.convs.#.conv.*": stage(0),
        "encoder.stages.#.0.convs.#.norm.*": stage(1),
        "decoder.stages.#.convs.#.conv.*": post(0),
        "decoder.stages.#.convs.#.norm.*": post(1),
        "decoder.transpconvs.#.*": lambda number, name: step.format(steps - 1 - number, "up.conv", name),
        "decoder.seg_layers.#.*": (lambda number, name: f"stages.0.head.predictors.{heads - 1 - number}.{name}"),
    }


def nnunet(layout: Layout, state: State) -> Layout:
    """Tell the stages, their widths, convolutions and strides, the norm, and whether every level has a head."""
    require_plain(state)
    stages = numbers(state, "encoder.stages.#.0.convs.0.conv.weight")
    steps, heads = len(stages) - 1, len(numbers(state, "decoder.seg_layers.#.*"))
    convs = [len(numbers(state, f"encoder.stages.{stage}.0.convs.#.conv.weight")) for stage in stages]
    posts = {len(numbers(state, f"decoder.stages.{step}.convs.#.conv.weight")) for step in range(steps)}
    if len(posts) > 1 or not posts <= POSTS.keys():
        raise lack("decoder stages of other than one or two convolutions", "decoder.stages.0.convs.0.conv.weight")
    kernels = [tuple(state[f"decoder.transpconvs.{step}.weight"].shape[2:]) for step in range(steps - 1, -1, -1)]
    if any(high != wide for high, wide in kernels):
        raise lack("strides that differ between height and width", "decoder.transpconvs.0.weight")
    ratios = [1, *(high for high, _ in kernels)]
    first = "encoder.stages.0.0.convs.0"
    args: dict[str, Any] = {"widths": [state[f"encoder.stages.{i}.0.convs.0.conv.weight"].shape[0] for i in stages]}
    args |= {} if set(convs) == {2} else {"convs": convs}
    args |= {} if set(ratios[1:]) == {2} else {"steps": ratios}
    strides = [1.0]
    for ratio in ratios[1:]:
        strides.append(strides[-1] * ratio)
    bare = norm_of(state, f"{first}.norm") == "instance_bare"
    told: dict[str, Any] = {
        "encoder_args": args,
        **extents(state, in_channels=(f"{first}.conv.weight", 1)),
        **extents(state, classes=(f"decoder.seg_layers.{heads - 1}.weight", 0)),
        "norm": norm_of(state, f"{first}.norm"),
        "conv_bias": f"{first}.conv.bias" in state,
        "post": POSTS[posts.pop()],
        "activation": "leaky_relu",
        "head_strides": tuple(strides[:-1]),
    }
    if heads == 1:
        told |= {"head_levels": "finest", "head_strides": None, "supervision": "last"}
    rules = nnunet_rules(steps, heads, layers=3)
    return replace(layout, rules=rules, told=told, open=("activation", "norm") if bare else ("activation",))


LAYOUTS.register("nnunet-plainconv")(
    Layout(
        presets=("unet.nnunet",),
        rules=nnunet_rules(7, 7, 3),
        aliases={
            "decoder.encoder.*": "encoder.{}",
            "*.all_modules.0.*": "{}.conv.{}",
            "*.all_modules.#.*": lambda *parts: f"{parts[0]}.norm.{parts[2]}",
        },
        lacking={"encoder.stages.#.blocks.*": "residual stages", "encoder.stem.*": "residual stages"},
        variant=nnunet,
    )
)

# MONAI's: each level is "0" (down), "1.submodule" (all that is coarser) and "2" (up) of the one before


def skip_last(skip: int) -> Callable[[Tensor], Tensor]:
    """MONAI concatenates the skip of so many channels first, ours last: turn a transposed convolution's inputs."""
    return lambda weight: torch.cat([weight[skip:], weight[:skip]])


def monai_rules(roots: list[str], bottom: str, layers: int, residual: bool) -> dict[str, Target]:
    """Return the rules of the levels below these roots, finest first, and of the deepest.

    `layers` are those of a convolution: itself, its norm, if there is one, and the nonlinearity.
    """
    act = layers - 1
    rules: dict[str, Target] = {}
    for level, place in enumerate([*(f"{root}.0" for root in roots), bottom]):
        home = f"encoder.stages.{level}"
        rules[f"{place}.residual.*"] = f"{home}.skip.{{}}"
        rules |= _unit(f"{place}.conv.unit#" if residual else place, f"{home}.body", layers)
    for level, root in enumerate(roots):
        up, head = f"{root}.2", "stages.0.head"
        step = f"stages.0.decoder.steps.{level - 1}"
        conv, after = f"{step}.up.conv", f"{step}.up_block"
        if level == 0:
            conv, after = f"{head}.upsamplers.0.conv", f"{head}.predictors.0"
        if not residual:
            rules |= {f"{up}.conv.*": f"{conv}.{{}}"}
            rules |= {f"{up}.adn.N.*": f"{after}.0.{{}}", f"{up}.adn.A.*": f"{after}.{act - 1}.{{}}"}
            continue
        rules |= {f"{up}.0.conv.*": f"{conv}.{{}}"}
        rules |= {f"{up}.0.adn.N.*": f"{after}.0.0.{{}}", f"{up}.0.adn.A.*": f"{after}.0.{act - 1}.{{}}"}
        rules |= _unit(f"{up}.1.conv.unit#", f"{after}.1.body", layers)
    return rules


def _unit(theirs: str, ours: str, layers: int) -> dict[str, Target]:
    def place(layer: int) -> Callable[..., str]:
        return lambda *parts: f"{ours}.{layers * (parts[0] if len(parts) > 1 else 0) + layer}.{parts[-1]}"

    return {
        f"{theirs}.conv.*": place(0),
        f"{theirs}.adn.N.*": place(1),
        f"{theirs}.adn.A.*": place(layers - 1),
    }


def monai(layout: Layout, state: State) -> Layout:
    """Tell the levels, their widths and units, the norm and the nonlinearity."""
    require_plain(state)
    roots = ["model"]
    while any(name.startswith(f"{roots[-1]}.1.submodule.2.") for name in state):
        roots.append(f"{roots[-1]}.1.submodule")
    bottom = f"{roots[-1]}.1.submodule"
    units = len(numbers(state, "model.0.conv.unit#.*"))
    first = "conv.unit0." if units else ""
    convs = [state[f"{place}.{first}conv.weight"] for place in [*(f"{root}.0" for root in roots), bottom]]
    widths = [weight.shape[0] for weight in convs]
    for root in roots:
        shortcut = state.get(f"{root}.0.residual.weight")
        if units and (shortcut is None or shortcut.shape[-1] == 1):
            name = f"{root}.0.{first}conv.weight" if shortcut is None else f"{root}.0.residual.weight"
            raise lack("a level of the same stride as the one before", name)
    up = "0." if units else ""
    if f"model.2.{up}conv.bias" not in state:
        raise lack("a transposed convolution without a bias", f"model.2.{up}conv.weight")
    place = f"model.0.{first}adn"
    learned = f"{place}.A.weight" in state
    norm = norm_of(state, f"{place}.N")
    told: dict[str, Any] = {
        "encoder_args": {
            "widths": widths,
            "convs": max(units, 1),
            "steps": [2] * len(roots) + [1],
            "residual": bool(units),
        },
        "in_channels": convs[0].shape[1],
        **extents(state, classes=(f"model.2.{up}conv.weight", 1)),
        "norm": norm,
        "activation": "prelu" if learned else "relu",
        "up_block": "norm_act_residual" if units else "norm_act",
        "head": "norm_act_residual_bare" if units else "none",
    }
    if learned and state[f"{place}.A.weight"].numel() > 1:
        raise lack("a slope for every channel", f"{place}.A.weight")
    turned = {f"{root}.2.{up}conv.weight": skip_last(width) for root, width in zip(roots, widths, strict=False)}
    unsure = [*(["steps"] if not units else []), *(["norm"] if norm != "batch" else [])]
    return replace(
        layout,
        rules=monai_rules(roots, bottom, 3, bool(units)),
        changes=turned,
        told=told,
        open=(*unsure, *(() if learned else ("activation",))),
    )


LAYOUTS.register("monai-unet")(
    Layout(
        presets=("unet.monai",),
        rules={f"model.{part}.*": "encoder.stages.0.body.0.{}" for part in ("0", "1.submodule", "2")},
        variant=monai,
    )
)
