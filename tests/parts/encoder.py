"""A family of encoders: two strided convolutions."""

from torch import nn

import skipbench


@skipbench.register_encoder("plain-*", members=["plain-4", "plain-8"])
class Plain(skipbench.Encoder):
    def __init__(self, spec):
        super().__init__()
        width = int(spec.encoder.removeprefix("plain-"))
        self.convs = nn.ModuleList(
            [nn.Conv2d(spec.in_channels, width, 3, 2, 1), nn.Conv2d(width, 2 * width, 3, 2, 1)]
        )
        self.specs = [skipbench.FeatureSpec(width, 2), skipbench.FeatureSpec(2 * width, 4)]

    def levels(self, image):
        fine = self.convs[0](image)
        return [fine, self.convs[1](fine)]
