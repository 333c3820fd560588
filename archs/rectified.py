"""Hierarchical rectified Gaussians (Hu & Ramanan, arXiv 1507.05699): feedback as layer-wise inference.

Maximises S(z) = 1/2 z'Wz + b'z over z >= 0 with w_ii = -1 and neighbouring levels tied by `Link`s. One
update, z_l <- ReLU(b_l + link(z_{l-1}) + link.up(z_{l+1})), is exact coordinate ascent over a level.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from skipbench.archs.blocks import BLOCKS, Modules, initialise
from skipbench.archs.bottom_up import ratios
from skipbench.archs.decoder import Decoder, block_style
from skipbench.archs.encoders import Encoder, build_encoder
from skipbench.archs.errors import SpecError
from skipbench.archs.levels import FeatureSpec, Size
from skipbench.archs.resampling import Link, center_fit
from skipbench.archs.spec import ArchSpec


def score(z: Sequence[Tensor], biases: Sequence[Tensor], links: Sequence[Link]) -> Tensor:
    """Return S(z), a scalar, for maps z and biases of one shape per level, finest first."""
    own = sum(((b * x).sum() - (x * x).sum() / 2 for x, b in zip(z, biases, strict=True)), torch.tensor(0.0))
    tied = ((link(fine) * coarse).sum() for link, fine, coarse in zip(links, z[:-1], z[1:], strict=True))
    return sum(tied, own)


class RectifiedPyramid(Encoder):
    """Any encoder under a rectified layer per level, for a rectified Gaussian on a shared trunk.

    A level's bias is a lateral of the trunk's map; one strided 3x3 convolution ties each pair of neighbours.
    """

    def __init__(self, spec: ArchSpec, trunk: Encoder) -> None:
        super().__init__()
        self.trunk = trunk
        channels, strides = zip(*((level.channels, level.stride) for level in trunk.specs), strict=True)
        make, style = BLOCKS[spec.lateral], block_style(spec)
        between = zip(channels, spec.level_widths(list(channels)), strict=True)
        self.laterals = Modules(make(given, width, style) for given, width in between)
        widths = [lateral.out_channels for lateral in self.laterals]
        steps = zip(itertools.pairwise(widths), ratios(strides), strict=True)
        self.ties = Modules(Link(fine, coarse, stride=ratio) for (fine, coarse), ratio in steps)
        self.links = tuple(self.ties)
        self.specs = [FeatureSpec(width, stride) for width, stride in zip(widths, strides, strict=True)]
        initialise(self.laterals)
        initialise(self.ties)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> the lateral of every level of the trunk, finest first."""
        return [lateral(x) for lateral, x in zip(self.laterals, self.trunk(image), strict=True)]


class RectifiedDecoder(Decoder):
    """`passes` layer-wise passes over a chain of rectified levels, bottom-up first, then down, up, down ...

    The top-down step is the shared one (so that fusion, blocks and upsampling can be exchanged); its
    skip is the bottom-up pre-activation, and "adjoint" upsampling is tied to the links. One pass is a
    plain rectified CNN. Only with the published factors (`archs.spec.ASCENT`) is a pass coordinate ascent;
    with another fusion than add, S falls in many passes.
    """

    def __init__(self, spec: ArchSpec, levels: Sequence[FeatureSpec], encoder: Encoder) -> None:
        if len(encoder.links) != len(levels) - 1:
            raise SpecError(f"the links of '{spec.encoder}' tie all of its levels: leave strides unset.")
        # the lateral has been applied already: a level's bias is the encoder's lateral
        super().__init__(spec.model_copy(update={"lateral": "identity"}), levels, encoder, encoder.links)
        self.passes = spec.passes
        self._links = tuple(encoder.links)  # a tuple: they are registered with the bottom-up path, and only there
        for step, level in zip(self.steps, levels[:-1], strict=True):
            if step.out_channels != level.channels:
                raise SpecError(
                    f"the levels of a rectified Gaussian keep their width, but fusion='{spec.fusion}' with "
                    f"post='{spec.post}' makes {step.out_channels} channels of {level.channels}: "
                    "choose fusion='concat', or a post block that restores the width."
                )

    @classmethod
    def bottom_up(cls, spec: ArchSpec) -> tuple[list[FeatureSpec], Encoder]:
        """Return all levels, and the encoder with the links that tie them: its own, or those of a pyramid on it."""
        encoder = build_encoder(spec)
        tied = encoder if encoder.links else RectifiedPyramid(spec, encoder)
        return tied.specs, tied

    def forward(self, features: Sequence[Tensor], image_size: Size, every_level: bool = True) -> list[Tensor]:
        """Return the outputs of z_1..z_L after all passes, finest first, from the biases b_1..b_L.

        The last pass down ends at the finest level that the head reads.
        """
        pre_activations, z = self._ascend(features, None)
        for number in range(2, self.passes + 1):
            if number % 2 == 0:
                tops, z = self._descend(pre_activations, z, self.read[0] if number == self.passes else 0)
            else:
                pre_activations, z = self._ascend(features, tops)
        return self.publish(z, every_level)

    def _ascend(self, biases: Sequence[Tensor], tops: Sequence[Tensor] | None) -> tuple[list[Tensor], list[Tensor]]:
        """Update every level from the finest up, keeping what came from above; return b + bottom-up, and z."""
        pre_activations = [biases[0]]
        z = [self._update(0, biases[0], tops)]
        for level, link in enumerate(self._links, start=1):
            bottom = center_fit(link(z[-1]), (biases[level].shape[-2], biases[level].shape[-1]))
            pre_activations.append(biases[level] + bottom)
            z.append(self._update(level, pre_activations[-1], tops))
        return pre_activations, z

    def _update(self, level: int, pre_activation: Tensor, tops: Sequence[Tensor] | None) -> Tensor:
        if level == len(self.steps):
            return self.enter(pre_activation)
        if tops is None:
            return F.relu(pre_activation)
        return self.steps[level].merge(tops[level], pre_activation)

    def _descend(
        self, pre_activations: Sequence[Tensor], z: Sequence[Tensor], finest: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Update the levels below the deepest, coarse to `finest`; return what came from above, and z."""
        tops: list[Tensor] = []
        path = [z[-1]]
        for level in reversed(range(finest, len(self.steps))):
            step = self.steps[level]
            size = (z[level].shape[-2], z[level].shape[-1])
            tops.insert(0, step.top(path[0], size, below=z[level]))
            path.insert(0, step.merge(tops[0], pre_activations[level]))
        return tops, [*z[:finest], *path]
