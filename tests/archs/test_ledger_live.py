"""The most memory that activations hold at once, on chains small enough to follow by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skipbench.archs.ledger import count, on_a_copy, training_peak

H = W = 8
FLOAT = 4
IMAGE, MAP, SMALL = (FLOAT * channels * H * W // area for channels, area in ((3, 1), (5, 1), (5, 4)))


def chain(inplace: bool) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(inplace), nn.Conv2d(5, 5, 3, padding=1))


def peaks(network: nn.Module) -> tuple[int, int]:
    """Return the peak in inference and the peak in training, in bytes, of one image."""

    def run(twin: nn.Module, images: tuple[Tensor, ...]) -> tuple[int, int]:
        return count(twin.eval(), images).peak_bytes, training_peak(twin.train(), twin, *images)

    both = [run(network, (torch.rand(1, 3, H, W),)), on_a_copy(network, (torch.rand(1, 3, H, W),), run)[0]]
    assert both[0] == both[1]  # executed on the CPU and foretold from shapes
    return both[0]


class Skip(nn.Module):
    """Two convolutions with the first one's map kept for the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 1), nn.Conv2d(5, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        skip = self.first(image)
        x = F.max_pool2d(skip, 2)
        x = self.second(x)
        x = F.interpolate(x, size=skip.shape[2:])
        return torch.cat([x, skip], 1)


# The image, then per line of the network what is alive at its fullest moment; a relu in place makes no new map.
INFERENCE = {
    "not in place": (chain(inplace=False), IMAGE + 2 * MAP),  # the first map goes as the second convolution begins
    "in place": (chain(inplace=True), IMAGE + 2 * MAP),  # the rectified map, and the last one
    "views": (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, H, W)), nn.Conv2d(3, 5, 1)), IMAGE + MAP),
    "a skip": (Skip(), IMAGE + MAP + MAP + 2 * MAP),  # at the end: skip, upsampled, both joined
}
# Autograd keeps a convolution's input and a relu's result, and the max-pooling's input and (8-byte) places.
TRAINING = {
    "not in place": IMAGE + 2 * MAP,  # a relu needs its result only, so the first map goes
    "in place": IMAGE + 2 * MAP,
    "views": IMAGE + MAP,
    "a skip": IMAGE + MAP + SMALL + 2 * SMALL + MAP + 2 * MAP,
}


@pytest.mark.parametrize("name", INFERENCE)
def test_peaks_equal_those_by_hand(name):
    network, inference = INFERENCE[name]
    assert peaks(network) == (inference, TRAINING[name])


def test_what_a_norm_keeps_for_its_gradient_counts_in_training():
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.Conv2d(5, 5, 1))
    statistics = 2 * 5 * FLOAT  # the mean and the deviation of each channel
    assert peaks(network) == (IMAGE + 2 * MAP, IMAGE + 3 * MAP + statistics)


def test_frozen_parameters_keep_fewer_activations():
    network = chain(inplace=False)
    network[0].requires_grad_(False)
    assert peaks(network.requires_grad_(False)) == (IMAGE + 2 * MAP, IMAGE + 2 * MAP)
