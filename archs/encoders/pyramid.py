"""A simple feature pyramid over a flat encoder (ViTDet, arXiv 2203.16527): four levels from its last map."""

import torch.nn.functional as F
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from skipbench.archs.blocks import initialise
from skipbench.archs.encoders.base import Encoder, crop
from skipbench.archs.levels import FeatureSpec


class SimplePyramid(Encoder):
    """Maps at a quarter, half, once and twice the flat encoder's stride, all from its deepest map.

    As in ViTDet, up by 2x2 transposed convolutions that halve the channels, down by 2x2 max-pooling.
    """

    def __init__(self, trunk: Encoder) -> None:
        super().__init__()
        self.trunk = trunk
        channels, stride = trunk.specs[-1].channels, trunk.specs[-1].stride
        half, quarter = max(channels // 2, 1), max(channels // 4, 1)
        self.up2 = nn.ConvTranspose2d(channels, half, 2, stride=2)
        self.up4 = nn.Sequential(
            nn.ConvTranspose2d(channels, half, 2, stride=2),
            LayerNorm2d(half),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2),
        )
        widths = [quarter, half, channels, channels]
        self.strides = [stride * factor for factor in (0.25, 0.5, 1, 2)]
        self.specs = [FeatureSpec(w, s) for w, s in zip(widths, self.strides, strict=True)]
        self.input_size = trunk.input_size
        for grown in (self.up2, self.up4):
            initialise(grown)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> four maps, finest first."""
        x = self.trunk(image)[-1]
        maps = [self.up4(x), self.up2(x), x, F.max_pool2d(x, 2, ceil_mode=True)]
        return crop(maps, self.strides, (image.shape[-2], image.shape[-1]))
