"""From one stack to the next: what the next one starts from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.blocks import BlockStyle, conv_norm, initialise
from skipbench.archs.bottom_up import BottomUp
from skipbench.archs.errors import REGISTRY_ERRORS
from skipbench.archs.residual import Basic
from skipbench.registry import Registry


class Restart(nn.Module, ABC):
    """Joins a stack's input x, features and prediction into the next one's input, then goes bottom-up again.

    Built from the channels of the features, of the prediction and of x, the blocks' style, and the bottom-up path.
    One that does not use the prediction says so, and gets None where nothing else needs it.
    """

    uses_prediction: ClassVar[bool] = True
    __call__: Callable[[Any, Tensor, Tensor, Tensor | None], list[Tensor]]

    def __init__(self, features: int, classes: int, channels: int, style: BlockStyle, bottom_up: BottomUp) -> None:
        super().__init__()
        self.build(features, classes, channels, style)
        self.bottom_up = bottom_up
        initialise(self)

    @abstractmethod
    def build(self, features: int, classes: int, channels: int, style: BlockStyle) -> None:
        """Make the layers that `join` uses."""

    @abstractmethod
    def join(self, x: Tensor, features: Tensor, prediction: Tensor | None) -> Tensor:
        """Return the next stack's input, (N, channels, H, W)."""

    def forward(self, x: Tensor, features: Tensor, prediction: Tensor | None) -> list[Tensor]:
        """Return the next stack's maps, finest first, from x, features and prediction of one size."""
        return self.bottom_up(self.join(x, features, prediction))


RESTARTS: Registry[type[Restart]] = Registry("restart", Restart, *REGISTRY_ERRORS)
register_restart = RESTARTS.register


@register_restart("remap")
class Remap(Restart):
    """x + remap(features) + remap(prediction), both 1x1 convolutions with bias (Hourglass)."""

    def build(self, features: int, classes: int, channels: int, style: BlockStyle) -> None:
        """Make the two 1x1 convolutions."""
        self.remap_features = nn.Conv2d(features, channels, 1)
        self.remap_prediction = nn.Conv2d(classes, channels, 1)

    def join(self, x: Tensor, features: Tensor, prediction: Tensor | None) -> Tensor:
        """Return the sum."""
        return cast(Tensor, x + self.remap_features(features) + self.remap_prediction(prediction))


@register_restart("remap_features")
class RemapFeatures(Restart):
    """basic(ReLU(remap(x) + remap(features))), both 1x1 with norm; no prediction is fed back (CornerNet)."""

    uses_prediction = False

    def build(self, features: int, classes: int, channels: int, style: BlockStyle) -> None:
        """Make the two 1x1 convolutions with norm, and one basic unit."""
        self.remap_x, self.remap_features = (
            nn.Sequential(*conv_norm(fed, channels, 1, style)) for fed in (channels, features)
        )
        self.block = Basic(channels, channels, replace(style, repeats=1))

    def join(self, x: Tensor, features: Tensor, prediction: Tensor | None) -> Tensor:
        """Return the refined sum of x and the features."""
        return self.block(F.relu(self.remap_x(x) + self.remap_features(features)))
