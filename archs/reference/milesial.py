"""github.com/milesial/Pytorch-UNet, with transposed convolutions or (bilinear=True) without."""

import torch
from torch import Tensor

from skipbench.archs.reference.layout import LAYOUTS, Layout

STEPS = 4


def _swap_halves(weight: Tensor) -> Tensor:
    """Its decoder concatenates the skip first, ours the map from above: of a convolution's inputs, swap halves."""
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
        changes={"up#.conv.double_conv.0.weight": _swap_halves},
    )
)
