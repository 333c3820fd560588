"""Statistics of plain numbers: t-intervals that cover as often as they say, Pareto fronts, arms that are beaten."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from skipbench.analysis.statistics import holm, pareto_front, summarize, surely_beaten, t_factor

REPEATS = 4000


@pytest.mark.parametrize("n", [2, 3, 6])
def test_interval_equals_scipy_and_statsmodels(n):
    values = np.random.default_rng(n).normal(0.7, 0.02, n)
    summary = summarize(values.tolist())
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert summary[:3] == (n, pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
    assert (summary.low, summary.high) == pytest.approx(expected)
    assert (summary.low, summary.high) == pytest.approx(DescrStatsW(values).tconfint_mean())


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_holms_correction_equals_statsmodels(n):
    p_values = np.random.default_rng(n).uniform(0, 0.2, n).round(2)  # with ties, and some that come to 1
    assert holm(p_values).tolist() == pytest.approx(multipletests(p_values, method="holm")[1] if n else [])


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


def test_front_by_hand():
    cost, score = [1, 2, 3, 4, 2], [0.5, 0.7, 0.6, 0.9, 0.4]
    assert pareto_front(cost, score).tolist() == [True, True, False, True, False]


def test_equal_points_share_their_fate():
    assert pareto_front([1, 1, 2, 2], [0.5, 0.5, 0.4, 0.4]).tolist() == [True, True, False, False]


def test_a_tie_in_one_axis_is_decided_by_the_other():
    assert pareto_front([1, 1], [0.5, 0.6]).tolist() == [False, True]
    assert pareto_front([1, 2], [0.5, 0.5]).tolist() == [True, False]


def test_a_point_with_a_missing_value_is_off_the_front_and_beats_nobody():
    nan = float("nan")
    assert pareto_front([nan, 1, 2], [0.9, nan, 0.1]).tolist() == [False, False, True]


def test_no_points_make_no_front():
    assert pareto_front([], []).shape == (0,)


@pytest.mark.parametrize("seed", range(20))
def test_front_equals_the_definition(seed):
    points = np.random.default_rng(seed).integers(0, 6, (25, 2)).tolist()  # few values, so that ties are many

    def beaten(cost: int, score: int) -> bool:
        return any(c <= cost and s >= score and (c < cost or s > score) for c, s in points)

    cost, score = zip(*points, strict=True)
    assert pareto_front(cost, score).tolist() == [not beaten(c, s) for c, s in points]


def test_beaten_for_certain_by_hand():
    runs = [
        [0.50, 0.52, 0.51, 0.50, 0.53, 0.52],
        [0.60, 0.62, 0.605, 0.61, 0.62, 0.63],
        [0.40, 0.43, 0.41, 0.41, 0.42, 0.44],
    ]
    beaten = surely_beaten([1, 1, 2], [1, 1, 2], runs)  # the first two cost the same, the third more
    p_values = {
        (i, j): stats.ttest_rel(runs[i], runs[j], alternative="greater").pvalue
        for i, j in ((0, 1), (1, 0), (0, 2), (1, 2))
    }
    holm = sorted(p_values.values())
    assert all(p * (4 - rank) < 0.05 for rank, p in enumerate(holm[:3]))  # all but that of the worse of the two
    assert beaten.tolist() == [True, False, True]


def test_a_cheaper_arm_that_scores_less_beats_nobody_and_neither_does_a_better_one_that_costs_more():
    assert not surely_beaten([1, 2], [1, 2], [[0.1, 0.11, 0.1] * 2, [0.9, 0.91, 0.9] * 2]).any()


def test_costs_whose_intervals_overlap_are_in_no_order():
    runs = [[0.9, 0.91, 0.9] * 2, [0.1, 0.11, 0.11] * 2]
    assert surely_beaten([1, 2.5], [2, 3], runs).tolist() == [False, True]
    assert not surely_beaten([1, 1.5], [2, 3], runs).any()


def test_of_several_costs_none_may_be_higher():
    runs = [[0.9, 0.91, 0.9] * 2, [0.1, 0.11, 0.11] * 2, [0.1, 0.11, 0.12] * 2]
    costs = [[1, 5], [2, 5], [2, 4]]
    assert surely_beaten(costs, costs, runs).tolist() == [False, True, False]
    assert surely_beaten(np.empty((3, 0)), np.empty((3, 0)), runs).tolist() == [False, True, True]


def test_few_seeds_and_exact_ties_are_no_certainty_but_a_constant_gain_is():
    nan = float("nan")
    assert not surely_beaten([1, 1], [1, 1], [[0.9, 0.8, 0.9, 0.8, 0.9, nan], [0.1] * 6]).any()
    assert not surely_beaten([1, 1], [1, 1], [[0.5, 0.6] * 3, [0.5, 0.6] * 3]).any()
    assert surely_beaten([1, 1], [1, 1], [[0.75, 0.5] * 3, [0.5, 0.25] * 3]).tolist() == [False, True]
    assert surely_beaten([], [], np.empty((0, 2))).shape == (0,)


def test_equal_arms_are_called_beaten_in_at_most_one_family_of_twenty():
    random = np.random.default_rng(0)
    costs = [1, 1, 2, 3]
    wrong = sum(surely_beaten(costs, costs, random.normal(size=(4, 6))).any() for _ in range(300))
    assert wrong <= stats.binom.ppf(0.999, 300, 0.05)
