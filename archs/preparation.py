"""What is done to images before a network is given them, as a part of its program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Preparation:
    """How a network is given images (N, C, H, W) uint8: from 0 to 1, less `mean`, over `std`, each by channel.

    `prepare` does the same where the network is used; a program that does it itself is compared with it.
    """

    mean: Sequence[float]
    std: Sequence[float]
    prepare: Callable[[Tensor], Tensor]


class Prepared(nn.Module):
    """A network that is given images (N, C, H, W) uint8 and prepares them itself."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preparation: Preparation) -> None:
        super().__init__()
        self.network = network
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(preparation, name))[:, None, None])

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Return what the network gives for the prepared image."""
        outputs: Tensor | list[Tensor] = self.network((image.float() / 255 - self.mean) / self.std)
        return outputs
