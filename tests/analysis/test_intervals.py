"""Intervals over seeds: equal to scipy's, absent for one seed, and covering as often as they say."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from skipbench.analysis.intervals import summarize, t_factor

REPEATS = 4000


@pytest.mark.parametrize("n", [2, 3, 6])
def test_interval_equals_scipy_and_statsmodels(n):
    values = np.random.default_rng(n).normal(0.7, 0.02, n)
    summary = summarize(values.tolist())
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert summary[:3] == (n, pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
    assert (summary.low, summary.high) == pytest.approx(expected)
    assert (summary.low, summary.high) == pytest.approx(DescrStatsW(values).tconfint_mean())


def test_one_run_has_a_mean_and_nothing_else():
    summary = summarize([0.5])
    assert (summary.n, summary.mean) == (1, 0.5)
    assert all(map(math.isnan, (summary.sd, summary.low, summary.high)))


def test_no_run_has_nothing():
    assert summarize([]).n == 0
    assert all(map(math.isnan, summarize([])[1:]))


def test_equal_runs_have_an_interval_of_no_width():
    assert summarize([0.5, 0.5, 0.5])[1:] == (0.5, 0.0, 0.5, 0.5)


def test_two_runs_reach_twelve_standard_errors():
    assert t_factor(2) == pytest.approx(12.7062, abs=1e-4)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_interval_covers_the_true_mean_in_95_of_100_studies(n):
    samples = np.random.default_rng(0).normal(0.7, 0.02, (REPEATS, n))
    intervals = [summarize(sample) for sample in samples.tolist()]
    covered = np.mean([interval.low <= 0.7 <= interval.high for interval in intervals])
    assert covered == pytest.approx(0.95, abs=0.015)  # 4 standard errors of a share of 4,000


def test_percentile_bootstrap_of_three_runs_covers_far_too_seldom():
    """Why the intervals over seeds are Student's t: all 27 resamples of 3 runs, the true mean in few of them."""
    samples = np.random.default_rng(0).normal(0.7, 0.02, (REPEATS, 3))
    resamples = np.stack(np.meshgrid([0, 1, 2], [0, 1, 2], [0, 1, 2]), -1).reshape(-1, 3)
    means = samples[:, resamples].mean(-1)
    low, high = np.percentile(means, [2.5, 97.5], axis=1)
    assert np.mean((low <= 0.7) & (high >= 0.7)) < 0.85
