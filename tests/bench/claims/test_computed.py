"""Computed claims: tiles, alignment and aliasing, each against what is known without the code that computes it."""

import math

import pytest
import torch
from torch.nn import functional

from skipbench.archs import create_model, resolve_spec
from skipbench.bench.claims.aliasing import fine_share, inside, start_share
from skipbench.bench.claims.alignment import SHARED, align
from skipbench.bench.claims.tiling import tile_differences


@pytest.mark.parametrize("seed", [0, 1])
def test_tiles_of_an_unpadded_network_are_exactly_the_whole(seed: int) -> None:
    differences = tile_differences(seed)
    assert differences["unpadded"] == 0
    assert differences["padded"] >= 1  # whole numbers


def test_hourglass_becomes_fpn_in_the_steps_that_tell_the_two_apart() -> None:
    found = align()
    one, other = (resolve_spec(name, **SHARED).to_dict() for name in ("hourglass", "fpn"))
    assert [step.factor for step in found.steps] == [factor for factor in one if one[factor] != other[factor]]
    counts = [
        sum(parameter.numel() for parameter in create_model(name, **SHARED).parameters())
        for name in ("hourglass", "fpn")
    ]
    assert sum(step.params for step in found.steps) == counts[1] - counts[0]
    lateral = next(step for step in found.steps if step.factor == "lateral")
    assert lateral.params < 0  # a residual unit became a 1x1 convolution
    assert lateral.macs < 0
    assert found.difference == 0


def test_the_share_of_waves_and_of_noise() -> None:
    x = torch.arange(64) + 0.5
    for halves, share in ((16, 0.0), (31, 0.0), (33, 1.0), (63, 1.0)):  # of 64 px: a period of 4 px has 32
        wave = 5 + torch.cos(math.pi * halves * x / 64).double().expand(1, 1, 64, 64)
        assert fine_share(wave) == pytest.approx(share, abs=1e-9)
        assert fine_share(wave.mT) == pytest.approx(share, abs=1e-9)
    noise = torch.randn(1, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    assert fine_share(noise) == pytest.approx(1 - (1 / 2) ** 2, abs=0.02)  # all but what is slow in both directions
    assert math.isnan(fine_share(torch.zeros(1, 1, 8, 8)))


def test_nearest_upsampling_adds_short_periods_but_none_of_exactly_two_px() -> None:
    coarse = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    fine = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
    assert fine_share(fine) > 0.1
    alternating = torch.where(torch.arange(32) % 2 == 0, 1.0, -1.0)
    assert (fine * alternating).sum(-1).abs().max() < 1e-5


def test_fresh_weights_leave_the_share_that_is_expected_of_them() -> None:
    random = torch.Generator().manual_seed(0)
    maps = functional.interpolate(torch.randn(1, 4, 12, 12, generator=random), scale_factor=2.0)
    weight = torch.randn(4000, 4, 3, 3, generator=random)  # as many filters as it takes for an average
    after = functional.conv2d(maps, weight)
    assert fine_share(after) == pytest.approx(start_share(maps), rel=0.02)
    assert start_share(maps) == pytest.approx(fine_share(inside(maps)), rel=0.05)
    blurred = functional.conv2d(maps, torch.ones(4, 4, 3, 3))
    assert fine_share(blurred) < 0.5 * fine_share(inside(maps))
