"""Which of timm's ResNets a checkpoint's trunk is, told from its tensors."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from skipbench.archs.reference.layout import State, match, numbers

# By the units per stage and whether these are bottlenecks; then by the width of the first unit's second
# convolution, and how many inputs each of its outputs has, fewer where they are grouped.
NAMES = {
    ((2, 2, 2, 2), False): {(64, 64): "resnet18"},
    ((3, 4, 6, 3), False): {(64, 64): "resnet34"},
    ((2, 2, 2, 2), True): {(64, 64): "resnet26"},
    ((3, 4, 6, 3), True): {(64, 64): "resnet50", (128, 4): "resnext50_32x4d", (128, 128): "wide_resnet50_2"},
    ((3, 4, 23, 3), True): {
        (64, 64): "resnet101",
        (128, 4): "resnext101_32x4d",
        (256, 8): "resnext101_32x8d",
        (512, 16): "resnext101_32x16d",
        (1024, 32): "resnext101_32x32d",
        (256, 4): "resnext101_64x4d",
        (128, 128): "wide_resnet101_2",
    },
    ((3, 8, 36, 3), True): {(64, 64): "resnet152"},
}


UNIT = re.compile(r"(conv\d|bn\d|downsample|shortcut)\b|conv2_offset")  # what a unit is made of; others have more


@dataclass(frozen=True)
class ResNet:
    """A trunk as its tensors tell it: timm's name, whether it has bottlenecks, the channels by stride."""

    name: str
    bottleneck: bool
    channels: dict[int, int]


def resnet_of(state: State, stage_name: Callable[[int], str]) -> ResNet | None:
    """Return the ResNet whose stages, counted from 1, are called so; None where it is another trunk.

    The last stages may be missing.
    """
    inside = (match(f"{stage_name(stage)}.#.*", name) for stage in range(1, 5) for name in state)
    if not all(UNIT.match(str(parts[1])) for parts in inside if parts):
        return None
    units = [numbers(state, f"{stage_name(stage)}.#.conv1.weight") for stage in range(1, 5)]
    counts = tuple(len(found) for found in units if found)
    if not counts:
        return None
    bottleneck = f"{stage_name(1)}.0.conv3.weight" in state
    width, fed, *_ = state[f"{stage_name(1)}.0.conv2.weight"].shape
    last = "conv3" if bottleneck else "conv2"
    strides = {2 ** (stage + 1): f"{stage_name(stage)}.0.{last}.weight" for stage in range(1, len(counts) + 1)}
    channels = {stride: state[name].shape[0] for stride, name in strides.items()}
    for (published, kind), variants in NAMES.items():
        if kind == bottleneck and published[: len(counts)] == counts and (width, fed) in variants:
            return ResNet(variants[width, fed], bottleneck, channels)
    return None
