"""Heads: from the decoder's maps to logits."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from archs.blocks import BLOCKS, BlockStyle
from archs.errors import SpecError
from archs.spec import ArchSpec, FeatureSpec


class Head(nn.Module):
    """Logits from the maps that the decoder publishes, finest first.

    head_levels "finest": from the first map alone; "all": from every map; "summed": from every map,
    upsampled bilinearly and summed coarse to fine. `share_head`: one predictor for all maps.
    """

    def __init__(self, spec: ArchSpec, levels: Sequence[FeatureSpec]) -> None:
        super().__init__()
        self.summed = spec.head_levels == "summed"
        shared = spec.share_head and len(levels) > 1
        if shared and len({level.channels for level in levels}) > 1:
            raise SpecError(
                "one head for all levels needs maps of one width: set share_head=False or out='conv3x3'."
            )
        style = BlockStyle(norm=spec.norm)  # padded, also where the path is not
        make = BLOCKS[spec.head]
        self.shared = shared
        self.predictors = nn.ModuleList(
            make(level.channels, spec.classes, style) for level in (levels[:1] if shared else levels)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return logits (N, classes, h, w), coarse to fine; the last are the finest (or the sum).

        `maps` are all levels, or the finest alone.
        """
        predictors = list(self.predictors) * (len(maps) if self.shared else 1)
        logits = [predict(x) for predict, x in zip(predictors, maps, strict=False)][::-1]
        if not self.summed:
            return logits
        total = logits[0]
        for finer in logits[1:]:
            total = finer + resize(total, (finer.shape[-2], finer.shape[-1]))
        return [total]


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return x (N, C, h, w) at that size, bilinear; itself where it has that size already."""
    if (x.shape[-2], x.shape[-1]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
