"""What a detection head says: its maps as one set of predictions."""

from typing import NamedTuple

import torch
from torch import Tensor

from skipbench.archs.blocks import BOX_CHANNELS
from skipbench.bench.tasks.detection.locations import Locations, boxes_around

_LARGEST = 10.0  # e^10 strides are more than any image has; a larger one would only overflow


class HeadOutput(NamedTuple):
    """Predictions for K classes at all A locations of all levels, for N images."""

    class_logits: Tensor  # (N, A, K)
    log_distances: Tensor  # (N, A, 4): to the box's left, top, right and bottom, in strides
    centre_logits: Tensor  # (N, A)

    @classmethod
    def of(cls, maps: list[Tensor]) -> "HeadOutput":
        """Return the maps, each (N, K + 5, h, w), as one set of float32 predictions."""
        flat = torch.cat([each.flatten(2) for each in maps], 2).transpose(1, 2).float()
        return cls(flat[..., :-BOX_CHANNELS], flat[..., -BOX_CHANNELS:-1], flat[..., -1])

    def boxes(self, locations: Locations) -> Tensor:
        """Return the predicted boxes x1, y1, x2, y2 (N, A, 4), in px."""
        strides = self.log_distances.clamp(max=_LARGEST).exp()
        return boxes_around(locations.points, strides * locations.strides[:, None])
