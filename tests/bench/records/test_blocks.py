"""Blocks: which count, and whether the intervals over them cover what they say."""

import numpy as np
import pytest
from scipy import stats

from skipbench.bench.records import Block
from skipbench.bench.records.blocks import geometric, kept, medians, undisturbed


def block(calibration_ms: float = 1.0, others_cores: float | None = 0.0, rounds: int = 2) -> Block:
    machine = {"calibration_ms": calibration_ms, "others_cores": others_cores}
    return Block(started_at="", process=0, positions=[0] * rounds, **machine)


def test_a_block_is_disturbed_by_a_slower_kernel_or_by_the_load_of_others() -> None:
    session = [block(1.0), block(1.09), block(1.12), block(0.88), block(1.0, 0.3), block(1.0, None)]
    assert undisturbed(session).tolist() == [True, True, False, False, False, True]


def test_disturbed_blocks_count_where_too_few_others_remain() -> None:
    session = [block()] * 3 + [block(others_cores=2)]
    assert kept(session, least=3).tolist() == [True, True, True, False]
    assert kept(session, least=4).all()


def test_samples_fall_into_blocks_in_order() -> None:
    assert medians([1, 3, 7, 5, 9], [block(rounds=2), block(rounds=3)]).tolist() == [2, 7]


def test_the_interval_is_that_of_a_t_test_on_the_logarithms_with_one_degree_of_freedom_fewer() -> None:
    ratios = np.random.default_rng(0).lognormal(0.1, 0.02, 8)
    mean, error = np.log(ratios).mean(), stats.sem(np.log(ratios))
    center, low, high = geometric(ratios)
    assert center == pytest.approx(stats.gmean(ratios))
    assert np.log([low, high]) == pytest.approx(stats.t.interval(0.95, df=6, loc=mean, scale=error))


def test_equal_ratios_have_an_interval_of_no_width_and_two_have_none() -> None:
    assert geometric([1.5] * 6) == pytest.approx((1.5, 1.5, 1.5))
    assert np.isnan(geometric([1.0, 1.1])[1:]).all()


def autocorrelated(rng: np.random.Generator, rho: float, shape: tuple[int, ...]) -> np.ndarray:
    """Return noise of unit variance whose neighbours along the last axis correlate by `rho`."""
    noise = rng.normal(size=shape)
    for step in range(1, shape[-1]):
        noise[..., step] = rho * noise[..., step - 1] + (1 - rho**2) ** 0.5 * noise[..., step]
    return noise


@pytest.mark.parametrize("rho", [0.13, 0.4, 0.73])
@pytest.mark.parametrize("between", [0.004, 0.016, 0.03])
def test_intervals_cover_the_truth_when_samples_are_autocorrelated_and_sessions_end_when_narrow(
    rho: float, between: float
) -> None:
    """Builds differ by `between` and samples within a build by 1.4 %, as was found on a shared machine."""
    rng, sessions, most, rounds = np.random.default_rng(7), 1000, 24, 30
    builds = rng.normal(0, between, (sessions, most, 2))
    within = 0.014 * autocorrelated(rng, rho, (sessions, most, 2, rounds))
    logs = np.median(builds[..., None] + within, axis=-1)
    covered = 0
    for ratios in np.exp(logs[..., 1] - logs[..., 0]):
        count, interval = 6, geometric(ratios[:6])
        while interval.high / interval.center > 1.02 and count < most:
            count += 1
            interval = geometric(ratios[:count])
        covered += interval.low <= 1 <= interval.high
    assert 0.93 <= covered / sessions <= 0.97
