"""Named points of the design space: the published networks, and their controlled relatives.

A preset is a mapping from factors to values; to add an architecture is to add one here.
"""

from typing import Any

from skipbench.archs.errors import REGISTRY_ERRORS
from skipbench.registry import Registry

PRESETS: Registry[dict[str, Any]] = Registry("model", None, *REGISTRY_ERRORS)
register_preset = PRESETS.register

UNET = {"lateral": "identity", "upsample": "transposed", "fusion": "concat_wide", "post": "double_conv"}
register_preset(
    "unet.paper",
    what="U-Net as published (arXiv 1505.04597): unpadded, no norm; the paper does not state the dropout's rate.",
)(
    {
        **UNET,
        "encoder": "double_conv",
        "width": None,
        "norm": "none",
        "padding": "valid",
        "dropout": 0.5,
        "head_stride": None,
    }
)

MILESIAL = {**UNET, "encoder": "double_conv", "encoder_args": {"ceil_mode": False}, "width": None}
register_preset(
    "unet.milesial", what="github.com/milesial/Pytorch-UNet: padded, BatchNorm, pooling that rounds odd sizes down."
)(MILESIAL)
register_preset("unet.milesial_bilinear", what="The same repository's network with bilinear upsampling.")(
    {
        **MILESIAL,
        "encoder_args": {"ceil_mode": False, "widths": [64, 128, 256, 512, 512]},
        "width": (64, 64, 128, 256, 512),
        "upsample": "bilinear_aligned",
        "post": "double_conv_halved",
    }
)

register_preset(
    "unet.smp", what="The Unet of segmentation_models_pytorch: nearest upsampling, one more level without a skip."
)(
    {
        **UNET,
        "encoder": "resnet34",
        "upsample": "nearest",
        "width": (16, 32, 64, 128, 256, 512),
        "decoder_stride": 1,
        "head": "conv3x3",
    }
)

register_preset(
    "unet.nnunet",
    what="nnU-Net's 2d U-Net (PlainConvUNet): instance norm, leaky ReLU, strided convolutions, deep supervision.",
)(
    {
        **UNET,
        "encoder": "conv_stages",
        "encoder_args": {"widths": [32, 64, 128, 256, 512, 512, 512, 512]},
        "width": None,
        "norm": "instance",
        "activation": "leaky_relu",
        "conv_bias": True,
        "head_levels": "all",
        "head_strides": (1, 2, 4, 8, 16, 32, 64),
        "share_head": False,
        "head_stride": None,
        "supervision": "levels",
    }
)

# MONAI's UNet with two residual units: it strides at once, its deepest two levels are of one stride, and the last
# upsampling makes the logits.
register_preset("unet.monai", what="MONAI's UNet with two residual units; its last upsampling makes the logits.")(
    {
        **UNET,
        "encoder": "conv_stages",
        "encoder_args": {"widths": [16, 32, 64, 128, 256], "convs": 2, "steps": [2, 2, 2, 2, 1], "residual": True},
        "width": None,
        "norm": "instance_bare",
        "activation": "prelu",
        "conv_bias": True,
        "upsample": "transposed3x3",
        "up_block": "norm_act_residual",
        "post": "none",
        "head_upsample": "transposed3x3",
        "head": "norm_act_residual_bare",
    }
)

# Stacked Hourglass (arXiv 1603.06937): 8 stacks, one residual unit per block, heatmaps at stride 4.
HOURGLASS = {"lateral": "residual", "bridge": "residual", "pre": "residual"}
register_preset(
    "hourglass.paper", what="Stacked Hourglass as published (arXiv 1603.06937): 8 stacks, heatmaps at stride 4."
)(
    {
        **HOURGLASS,
        "encoder": "residual_pool",
        "width": 256,
        "head_block": "residual_project",
        "head_stride": None,
        "stacks": 8,
        "supervision": "stacks",
    }
)

register_preset(
    "hourglass.princeton",
    what="github.com/princeton-vl/pytorch_stacked_hourglass: that network; other layers it has are never called.",
)(PRESETS["hourglass.paper"])

register_preset(
    "hourglass.bearpaw", what="github.com/bearpaw/pytorch-pose: the stem is widened one residual unit early."
)({**PRESETS["hourglass.paper"], "encoder_args": {"stem": [0.25, 0.5, 1.0]}})

# Hourglass-104 (CornerNet, arXiv 1808.01244; CenterNet, arXiv 1904.07850), with one heatmap head per stack: basic
# units, strided convolutions, widening channels, twice the units at the deepest level, no prediction fed back.
register_preset(
    "hourglass.cornernet",
    what="Hourglass-104 of CornerNet (arXiv 1808.01244) and CenterNet (arXiv 1904.07850), with one head per stack.",
)(
    {
        "encoder": "strided_basic",
        "width": (256, 256, 384, 384, 384, 512),
        "lateral": "basic",
        "bridge": "basic_twice",
        "pre": "basic_last",
        "blocks": 2,
        "head_block": "conv3x3_norm_relu",
        "head": "conv3x3_conv1x1",
        "head_stride": None,
        "stacks": 2,
        "supervision": "stacks",
        "restart": "remap_features",
        "bottom_up": "strided_basic",
    }
)

register_preset(
    "hourglass.mmpose",
    what="mmpose's HourglassNet: Hourglass-104 with a 1x1 heatmap head per stack; its own default is one stack.",
)({**PRESETS["hourglass.cornernet"], "head": "conv1x1", "stacks": 1})

# FPN (arXiv 1612.03144): C2..C5 of ResNet-50, no norm in the neck, P6 by subsampling.
FPN = {
    "lateral": "conv1x1",
    "bridge": "lateral",
    "out": "conv3x3",
    "head_levels": "all",
    "supervision": "levels",
}
PYRAMID = {**FPN, "encoder": "resnet50", "strides": (4, 8, 16, 32), "width": 256, "norm": "none"}
FPN_PAPER = {**PYRAMID, "extra_levels": 1, "head_stride": None}
register_preset(
    "fpn.paper",
    what="FPN as published (arXiv 1612.03144): C2 to C5 of ResNet-50, no norm in the neck, P6 by subsampling.",
)(FPN_PAPER)

register_preset(
    "fpn.torchvision",
    what="The backbone of torchvision's detectors: the published one with constants for BatchNorm.",
)({**FPN_PAPER, "frozen_norm": True})

register_preset(
    "fpn.detectron2", what="Detectron2's FPN: its ResNet's bottlenecks stride in their first convolution."
)(
    {**FPN_PAPER, "frozen_norm": True, "encoder_args": {"stride_in_1x1": True}},
)

register_preset(
    "fpn.mmseg",
    what="mmsegmentation's FPN: a ResNet with three convolutions for a stem, branches that end in one map.",
)(
    {
        **PYRAMID,
        "encoder": "resnet50c",
        "head_levels": "merged",
        "head_width": 128,
        "head_norm": "batch",
        "head_dropout": 0.1,
        "supervision": "last",
    }
)

register_preset(
    "fpn.smp", what="The FPN of segmentation_models_pytorch: no 3x3 outputs, branches that end in one map."
)(
    {
        **PYRAMID,
        "encoder": "resnet34",
        "out": "none",
        "head_levels": "merged",
        "head_width": 128,
        "head_dropout": 0.2,
        "head_align_corners": True,
        "supervision": "last",
    }
)

# Hierarchical rectified Gaussian (arXiv 1507.05699): QP2 on VGG-16; the head reads pool2..pool5.
RECTIFIED = {
    "upsample": "adjoint",
    "post": "relu",
    "bridge": "relu",
    "norm": "none",
    "passes": 2,
    "head_levels": "summed",
    "share_head": False,
}
register_preset(
    "rectified_gaussian.paper",
    what="Hierarchical rectified Gaussian as published (arXiv 1507.05699): QP2 on VGG-16.",
)(
    {
        **RECTIFIED,
        "encoder": "vgg_rectified",
        "lateral": "identity",
        "width": None,
        "out": "max_pool",
        "head_strides": (4, 8, 16, 32),
    }
)

# Controlled: the same factors on one encoder, one width, one output size, one stack.
CONTROLLED = {"encoder": "resnet18", "width": 64, "norm": "batch", "head_stride": 1}
register_preset(
    "unet", what="U-Net's decoder on the shared encoder and width: concatenation, transposed convolutions."
)({**UNET, **CONTROLLED})
register_preset(
    "hourglass", what="Hourglass's decoder on the shared encoder and width: addition, residual blocks in the skips."
)({**HOURGLASS, **CONTROLLED})
register_preset(
    "fpn", what="FPN's decoder on the shared encoder and width: addition, 1x1 laterals, every level read."
)({**FPN, **CONTROLLED})
register_preset(
    "rectified_gaussian",
    what="Rectified layers on the shared encoder and width, tied weights up and down, two passes.",
)({**RECTIFIED, **CONTROLLED, "lateral": "conv1x1"})
