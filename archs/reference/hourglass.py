"""Public hourglasses: bearpaw's and Princeton's ports of the pose network, CornerNet's and CenterNet's, mmpose's.

Their modules nest as the paper's recursion does: up1 (our lateral), low1 (bottom-up), low3 (before upsampling),
and low2, which is the next coarser module, or the bridge where there is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from skipbench.archs.reference.layout import LAYOUTS, Layout, State, Target, extents, lack, numbers

Home = Callable[..., str]  # of the numbers in a pattern, to the name of our block


def module(depth: int, name: Callable[[int, str], str], unit: str) -> dict[str, Home]:
    """Return where the blocks of every stack's hourglass module live, by the patterns that `name` makes of
    level and part.

    `unit` is the number of the residual unit in its block: "{}" where the pattern tells it, "0" for a lone one.
    """
    homes: dict[str, Home] = {}
    for level in range(depth):
        step = f"stages.{{}}.decoder.steps.{level}"
        homes[name(level, "up1")] = f"{step}.lateral.{unit}".format
        homes[name(level, "low1")] = partial(_bottom_up, level)
        homes[name(level, "low3")] = f"{step}.pre.{unit}".format
    homes[name(depth - 1, "low2")] = f"stages.{{}}.decoder.deepest.bridge.{unit}".format
    return homes


def _bottom_up(level: int, stack: int, unit: int = 0) -> str:
    start = "encoder" if stack == 0 else f"restarts.{stack - 1}"
    return f"{start}.bottom_up.blocks.{level}.{unit}"


def nested(root: str, unit: str) -> Callable[[int, str], str]:
    """Return how a recursion of modules below `root` names a level's part."""
    return lambda level, part: f"{root}.{'low2.' * level}{part}{unit}"


def units(homes: Mapping[str, Home], layers: Mapping[str, str]) -> dict[str, Target]:
    """Return the rules of residual units: `homes` of the units, and their `layers` by the layers of ours."""
    return {
        f"{pattern}.{theirs}.*": partial(_layer, home, ours)
        for pattern, home in homes.items()
        for theirs, ours in layers.items()
    }


def _layer(home: Home, ours: str, *matched: int | str) -> str:
    *numbers, name = matched
    return f"{home(*numbers)}.{ours}.{name}"


NORMS = {"bn1": "body.0", "bn2": "body.3", "bn3": "body.6"}
DEPTH = 4


def bearpaw(layout: Layout, state: State) -> Layout:
    """Tell the stacks, the units per block, the width and the joints."""
    told = {
        "stacks": len(numbers(state, "score.#.*")),
        "blocks": len(numbers(state, "hg.0.hg.0.0.#.*")),
        "width": state["fc.0.0.weight"].shape[0],
        **extents(state, classes=("score.0.weight", 0)),
        **extents(state, in_channels=("conv1.weight", 1)),
    }
    return replace(layout, told=told)


def princeton(layout: Layout, state: State) -> Layout:
    """Tell the stacks, the width and the joints."""
    classes, width, *_ = state["outs.0.conv.weight"].shape
    stacks = len(numbers(state, "outs.#.conv.weight"))
    told = {"stacks": stacks, "width": width, "classes": classes}
    return replace(layout, told=told | extents(state, in_channels=("pre.0.conv.weight", 1)))


ROLES = {"up1": 0, "low1": 1, "low3": 2, "low2": 3}  # bearpaw counts levels from the coarsest
LAYOUTS.register("bearpaw-hourglass")(
    Layout(
        presets=("hourglass.bearpaw",),
        rules={
            "conv1.*": "encoder.stem.0.{}",
            "bn1.*": "encoder.stem.1.{}",
            **units(
                {
                    "layer1.0": "encoder.stem.3".format,
                    "layer2.0": "encoder.stem.5".format,
                    "layer3.0": "encoder.stem.6".format,
                    **module(DEPTH, lambda level, part: f"hg.#.hg.{DEPTH - 1 - level}.{ROLES[part]}.#", "{}"),
                    "res.#.#": "stages.{}.head_block.0.{}".format,
                },
                {**NORMS, "conv1": "body.2", "conv2": "body.5", "conv3": "body.8", "downsample.0": "skip"},
            ),
            "fc.#.0.*": "stages.{}.head_block.1.{}",
            "fc.#.1.*": "stages.{}.head_block.2.{}",
            "score.#.*": "stages.{}.head.predictors.0.{}",
            "fc_.#.*": "restarts.{}.remap_features.{}",
            "score_.#.*": "restarts.{}.remap_prediction.{}",
        },
        variant=bearpaw,
    )
)

# A unit that keeps its width has a skip convolution here too, which is never called.
LAYOUTS.register("princeton-hourglass")(
    Layout(
        presets=("hourglass.princeton",),
        rules={
            "pre.3.skip_layer.*": None,
            "hgs.*.skip_layer.*": None,
            "features.*.skip_layer.*": None,
            "pre.0.conv.*": "encoder.stem.0.{}",
            "pre.0.bn.*": "encoder.stem.1.{}",
            **units(
                {
                    "pre.1": "encoder.stem.3".format,
                    "pre.3": "encoder.stem.5".format,
                    "pre.4": "encoder.stem.6".format,
                    **module(DEPTH, nested("hgs.#.0", ""), "0"),
                    "features.#.0": "stages.{}.head_block.0.0".format,
                },
                {
                    **NORMS,
                    "conv1.conv": "body.2",
                    "conv2.conv": "body.5",
                    "conv3.conv": "body.8",
                    "skip_layer.conv": "skip",
                },
            ),
            "features.#.1.conv.*": "stages.{}.head_block.1.{}",
            "features.#.1.bn.*": "stages.{}.head_block.2.{}",
            "outs.#.conv.*": "stages.{}.head.predictors.0.{}",
            "merge_features.#.conv.conv.*": "restarts.{}.remap_features.{}",
            "merge_preds.#.conv.conv.*": "restarts.{}.remap_prediction.{}",
        },
        variant=princeton,
    )
)

# Heads beside CenterNet's heatmaps, of all its tasks; CornerNet's, which read corner poolings.
CENTERNET = ("wh", "reg", "hps", "hm_hp", "hp_offset", "dep", "rot", "dim")
EXTREMES = (*(f"hm_{side}" for side in "tlbrc"), *(f"reg_{side}" for side in "tlbr"))
CORNERNET = tuple(f"{corner}_{head}" for corner in ("tl", "br") for head in ("cnvs", "heats", "tags", "regrs"))


def widths_of(state: State, root: str) -> list[int]:
    """Return the channels of the levels of the module below `root`, finest first."""
    widths: list[int] = []
    while (weight := state.get(f"{root}.{'low2.' * len(widths)}up1.0.conv1.weight")) is not None:
        widths.append(weight.shape[0])
    deepest = state[f"{root}.{'low2.' * (len(widths) - 1)}low1.0.conv1.weight"]
    return [*widths, deepest.shape[0]]


def cornernet(layout: Layout, state: State) -> Layout:
    """Tell the stacks, the widths and the classes of the heatmaps."""
    widths = widths_of(state, "kps.0")
    told = {
        "stacks": len(numbers(state, "kps.#.*")),
        "width": tuple(widths),
        "encoder_args": {"widths": widths},
        **extents(state, in_channels=("pre.0.conv.weight", 1)),
    }
    heatmaps = state.get("hm.0.1.weight")
    return replace(layout, told=told if heatmaps is None else {**told, "classes": heatmaps.shape[0]})


# The heatmaps `hm` are our head. A checkpoint without them (CornerNet's) gives the backbone, and leaves the head.
LAYOUTS.register("cornernet-hourglass")(
    Layout(
        presets=("hourglass.cornernet",),
        rules={
            "pre.0.conv.*": "encoder.stem.0.{}",
            "pre.0.bn.*": "encoder.stem.1.{}",
            **units(
                {
                    "pre.1": "encoder.stem.3".format,
                    **module(5, nested("kps.#", ".#"), "{}"),
                    "inters.#": "restarts.{}.block.0".format,
                },
                {
                    **{"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4"},
                    **{"skip.0": "skip.0", "skip.1": "skip.1"},
                },
            ),
            "cnvs.#.conv.*": "stages.{}.head_block.0.{}",
            "cnvs.#.bn.*": "stages.{}.head_block.1.{}",
            "inters_.#.*": "restarts.{}.remap_x.{}",
            "cnvs_.#.*": "restarts.{}.remap_features.{}",
            "hm.#.0.conv.*": "stages.{}.head.predictors.0.0.{}",
            "hm.#.1.*": "stages.{}.head.predictors.0.2.{}",
            **{f"{head}.*": None for head in (*CENTERNET, *EXTREMES, *CORNERNET)},
        },
        fresh=("stages.#.head.predictors.*",),
        variant=cornernet,
    )
)

# mmpose's HourglassNet, alone or in an estimator with a head per stack (of its releases from 1.0 on, and before)


def mmpose_rules(depth: int) -> dict[str, Target]:
    """Return the rules of modules that halve so often."""
    backbone: dict[str, Target] = {
        **{"stem.0.conv.*": "encoder.stem.0.{}", "stem.0.bn.*": "encoder.stem.1.{}"},
        **units(
            {
                "stem.1.0": "encoder.stem.3".format,
                **module(depth, nested("hourglass_modules.#", ".#"), "{}"),
                "inters.#": "restarts.{}.block.0".format,
            },
            {
                **{"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4"},
                **{"downsample.0": "skip.0", "downsample.1": "skip.1"},
            },
        ),
        **{"out_convs.#.conv.*": "stages.{}.head_block.0.{}", "out_convs.#.bn.*": "stages.{}.head_block.1.{}"},
        **{"conv1x1s.#.conv.*": "restarts.{}.remap_x.0.{}", "conv1x1s.#.bn.*": "restarts.{}.remap_x.1.{}"},
        "remap_convs.#.conv.*": "restarts.{}.remap_features.0.{}",
        "remap_convs.#.bn.*": "restarts.{}.remap_features.1.{}",
    }
    return {
        "head.multi_final_layers.#.*": "stages.{}.head.predictors.0.{}",
        "keypoint_head.multi_final_layers.#.*": "stages.{}.head.predictors.0.{}",
        "head.final_layer.*": "stages.0.head.predictors.0.{}",
        **backbone,
        **{f"backbone.{pattern}": target for pattern, target in backbone.items()},
    }


def mmpose(layout: Layout, state: State) -> Layout:
    """Tell the stacks, the depth, the widths and the units of the modules, and the joints."""
    home = "backbone." if any(name.startswith("backbone.") for name in state) else ""
    root = f"{home}hourglass_modules.0"
    stacks, widths = len(numbers(state, f"{home}hourglass_modules.#.*")), widths_of(state, root)
    depth = len(widths) - 1
    low2 = "low2." * (depth - 1)
    finest, deepest = (len(numbers(state, f"{root}.{part}.#.conv1.weight")) for part in ("up1", f"{low2}low2"))
    if deepest != 2 * finest:
        raise lack(
            "another number of units than twice the others' at the deepest level",
            f"{root}.{low2}low2.0.conv1.weight",
        )
    features = state[f"{home}out_convs.0.conv.weight"]
    if features.shape[0] != widths[0]:
        raise lack("features of another width than the finest level's", f"{home}out_convs.0.conv.weight")
    told = {
        "stacks": stacks,
        "blocks": finest,
        "width": tuple(widths),
        "encoder_args": {"widths": widths},
        **extents(state, in_channels=(f"{home}stem.0.conv.weight", 1)),
    }
    heads = ("head.multi_final_layers.0", "keypoint_head.multi_final_layers.0", "head.final_layer")
    heatmaps = [state[f"{head}.weight"].shape[0] for head in heads if f"{head}.weight" in state]
    told |= {"classes": heatmaps[0]} if heatmaps else {}
    return replace(layout, rules=mmpose_rules(depth), told=told)


LAYOUTS.register("mmpose-hourglass")(
    Layout(
        presets=("hourglass.mmpose",),
        rules=mmpose_rules(5),
        fresh=("stages.#.head.predictors.*",),
        lacking={
            "*head.multi_deconv_layers.*": "transposed convolutions in the head",
            "*head.deconv_layers.*": "transposed convolutions in the head",
        },
        variant=mmpose,
    )
)
