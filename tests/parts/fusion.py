"""A fusion: the mean of two 1x1 convolutions."""

from torch import nn

import skipbench


@skipbench.register_fusion("halved")
class Halved(skipbench.Fusion):
    def __init__(self, coarse_channels, skip_channels, out_channels):
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.coarse = nn.Conv2d(coarse_channels, out_channels, 1)
        self.skip = nn.Conv2d(skip_channels, out_channels, 1)

    def forward(self, coarse, skip):
        return (self.coarse(coarse) + self.skip(skip)) / 2
