"""A block: a depthwise convolution, then a pointwise one."""

from torch import nn

import skipbench


@skipbench.register_block("depthwise")
class Depthwise(skipbench.Block):
    def __init__(self, in_channels, out_channels, style):
        super().__init__(in_channels, out_channels, style)
        self.deep = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels)
        self.wide = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x):
        return self.wide(self.deep(x).relu())
