"""Upsampling ends at exactly the size asked for, and cropping is centred."""

import pytest
import torch

from skipbench.archs.resampling import UPSAMPLERS, center_fit


@pytest.mark.parametrize("name", [n for n in UPSAMPLERS.names() if n != "adjoint"])
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (9, 11)])
def test_every_upsampling_ends_at_the_size_asked_for(name, size):
    up = UPSAMPLERS[name](3, 5, 2)
    assert up(torch.randn(1, 3, 4, 5), size).shape == (1, up.out_channels, *size)


def test_center_fit_crops_and_pads_about_the_centre():
    x = torch.arange(1.0, 6.0).view(1, 1, 1, 5)
    assert center_fit(x, (1, 3)).flatten().tolist() == [2, 3, 4]
    assert center_fit(x, (1, 2)).flatten().tolist() == [2, 3]
    assert center_fit(x, (1, 7)).flatten().tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert center_fit(x, (1, 6)).flatten().tolist() == [1, 2, 3, 4, 5, 0]
    assert torch.equal(center_fit(x, (1, 5)), x)


def test_transposed_2x2_writes_each_pixel_into_its_own_block():
    up = UPSAMPLERS["transposed"](1, 1, 2)
    torch.nn.init.ones_(up.conv.weight)
    torch.nn.init.zeros_(up.conv.bias)
    x = torch.tensor([[[[1.0, 2.0]]]])
    assert up(x, (2, 4)).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]


def test_nearest_repeats():
    up = UPSAMPLERS["nearest"](1, 1, 2)
    assert up(torch.tensor([[[[1.0, 2.0]]]]), (1, 4)).flatten().tolist() == [1, 1, 2, 2]
