"""Images of noise, for measuring networks whose output does not matter."""

import torch
from torch import Tensor, nn


def random_images(model: nn.Module, count: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return images (count, C, H, W) that `model` takes, uniform in [0, 1), drawn from `seed`.

    C is what the network's spec says; a network without a spec takes RGB.
    """
    channels = getattr(getattr(model, "spec", None), "in_channels", 3)
    return torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(seed))
