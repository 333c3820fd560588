"""Two arms compared: each number against another implementation, by hand at the edges, and in simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from skipbench.analysis.statistics import (
    bca,
    compare,
    equal_p,
    holm,
    paired_improvement,
    paired_t_p,
    permutation_p,
    seeds_needed,
    summarize,
    unpaired_improvement,
    wilcoxon_p,
)

SHAPES = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy tails": lambda random, shape: random.standard_t(3, shape) / np.sqrt(3),
    "ties": lambda random, shape: random.normal(size=shape).round(),
}


def at_most(share: float, repeats: int) -> float:
    """Return the share that a true one exceeds in one of 1,000 simulations of so many repeats."""
    return stats.binom.ppf(0.999, repeats, share) / repeats


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_the_paired_t_test_equals_scipy_s_on_each_row(alternative):
    values = np.random.default_rng(0).normal(0.3, 1, (4, 7))
    expected = stats.ttest_1samp(values, 0, axis=1, alternative=alternative).pvalue
    assert paired_t_p(values, alternative) == pytest.approx(expected)
    assert float(paired_t_p(values[2], alternative)) == pytest.approx(expected[2])


def test_without_spread_the_t_test_is_sure():
    assert paired_t_p([[0.1] * 6, [-0.1] * 6, [0.0] * 6]).tolist() == pytest.approx([0, 0, 1], abs=1e-9)
    assert paired_t_p([[0.1] * 6, [-0.1] * 6], "greater").tolist() == pytest.approx([0, 1])


def test_permutation_by_hand():
    assert permutation_p([1, 2, 3, 4, 5, 6]) == 2 / 2**6
    assert permutation_p([1, 2, 3, 4, 5, -6]) == pytest.approx(np.mean(flipped([1, 2, 3, 4, 5, 6]) >= 9))
    assert permutation_p([0, 0, 0, 0, 0, 0]) == 1
    assert permutation_p([0.5]) == permutation_p([]) == 1


def flipped(sizes: list[int]) -> np.ndarray:
    """Return the absolute sums under all choices of signs."""
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(sizes))).reshape(len(sizes), -1)
    return np.abs(sizes @ signs)


def test_permutation_of_many_pairs_is_drawn_from_the_seed_and_near_the_t_test():
    values = np.random.default_rng(0).normal(0.4, 1, (3, 30))
    found = permutation_p(values, seed=1)
    assert found.tolist() == permutation_p(values, seed=1).tolist() != permutation_p(values, seed=3).tolist()
    assert found == pytest.approx(stats.ttest_1samp(values, 0, axis=1).pvalue, abs=0.02)
    assert float(permutation_p(values[0], seed=1)) == found[0]


def test_permutation_of_many_pairs_is_near_the_one_over_all_signs_also_with_ties():
    for values in np.random.default_rng(0).normal(0.25, 1, (3, 14)).round(1):
        exact = np.mean(flipped(list(values)) >= abs(values.sum()) - 1e-9)
        assert permutation_p(values) == pytest.approx(exact, abs=0.02)


def test_wilcoxon_knows_ties_and_zeros():
    assert wilcoxon_p([1, 2, 3, 4, 5, 6]) == 2 / 2**6
    assert wilcoxon_p([1, 1, 1, 1, 1, 1]) == 2 / 2**6
    assert wilcoxon_p([0, 0, 0, 0, 0, 0]) == 1
    for values in ([1, 1, -1, 0, 2, 2], [3, -1, 2, 5, 4, -6, 7], [1, 2] * 8, [0, 0, 0, 0, 0, 3]):
        assert wilcoxon_p(values) == pytest.approx(stats.wilcoxon(values).pvalue)
    several = np.random.default_rng(0).integers(-3, 5, (3, 9))  # with ties and zeros
    assert wilcoxon_p(several) == pytest.approx([stats.wilcoxon(row).pvalue for row in several])


@pytest.mark.parametrize("n", [2, 6, 12])
def test_tost_equals_statsmodels(n):
    values = np.random.default_rng(n).normal(0.1, 0.3, n)
    assert equal_p(values, 0.25) == pytest.approx(DescrStatsW(values).ttost_mean(-0.25, 0.25)[0])


def test_equal_without_spread_is_by_the_margin_alone():
    found = [float(equal_p([shift] * 6, 0.25)) for shift in (0.2, -0.2, 0.25, 0.3)]
    assert found == pytest.approx([0, 0, 0.5, 1], abs=1e-9)


def test_holm_leaves_out_what_was_not_tested():
    assert holm([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)


def test_bca_is_drawn_from_the_seed_and_degenerates_where_values_do():
    values = np.random.default_rng(0).lognormal(size=40)
    low, high = bca(values, seed=1)
    assert (low, high) == bca(values, seed=1) != bca(values, seed=2)
    assert high - values.mean() > values.mean() - low  # it follows the skew, which Student's t does not
    assert bca([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert all(map(math.isnan, bca([0.5])))


def test_improvement_by_hand_and_by_statsmodels():
    found = paired_improvement([0.1, 0.2, -0.1, 0.3, 0.0, 0.2])
    assert found.value == 4.5 / 6
    assert paired_improvement([1, 1, -1])[1:] == pytest.approx(proportion_confint(2, 3, method="beta"))
    assert paired_improvement([1, 1, 1]).high == 1
    assert math.isnan(paired_improvement([]).value)


def test_unpaired_improvement_is_the_share_of_pairs():
    a, b = [1, 4, 5, 6], [2, 3, 4, 0, 1]
    wins = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    found = unpaired_improvement(a, b)
    assert found.value == pytest.approx(wins)
    assert 0 <= found.low < wins < found.high <= 1
    assert unpaired_improvement([1, 2, 3], [4, 5, 6, 7])[::2] == (0, pytest.approx(1 - 0.025 ** (1 / 3)))
    assert unpaired_improvement([1, 1], [1, 1]) == (0.5, 0, 1)


@pytest.mark.parametrize(("effect", "family"), [(0.5, 1), (0.8, 5), (1.2, 20)])
def test_seeds_needed_equal_statsmodels(effect, family):
    expected = TTestPower().solve_power(effect, None, 0.05 / family, 0.8)
    assert seeds_needed(effect, 1.0, family) == math.ceil(expected)
    assert seeds_needed(-effect / 100, 0.01, family) == math.ceil(expected)


def test_seeds_needed_are_six_at_least_and_unknown_without_a_deviation():
    assert seeds_needed(100, 1.0) == seeds_needed(100, 1.0, family=20) == seeds_needed(0.1, 0.0) == 6
    assert [seeds_needed(0, 1), seeds_needed(0, 0), seeds_needed(0.001, 1)] == [math.inf] * 3
    assert math.isnan(seeds_needed(0.1, math.nan))


def test_fewer_than_six_pairs_are_described_and_not_tested():
    few, many = compare([[0.1, 0.2, 0.15, 0.1, 0.12], [0.1, 0.2, 0.15, 0.1, 0.12, 0.11]], margin=0.01)
    assert few.verdict == "descriptive"
    assert all(map(math.isnan, (few.p, few.p_permutation, few.p_wilcoxon, few.p_holm, few.p_equal)))
    assert (few.mean, few.low) == summarize([0.1, 0.2, 0.15, 0.1, 0.12])[1::2]
    assert many.verdict == "higher"
    assert many.p_holm == many.p == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.15, 0.1, 0.12, 0.11], 0).pvalue)
    assert many.p_permutation == many.p_wilcoxon == 1 / 32  # beside it
    assert few.improvement == 1 > few.improvement_low > 0.4


def test_verdicts_are_of_corrected_p_and_of_the_margin():
    clear, noise = [0.1, 0.2, 0.15, 0.1, 0.12, 0.11, 0.13, 0.14], [0.3, -0.2, 0.1, -0.4, 0.2, 0.05, -0.1, 0.02]
    near = [0.001, -0.002, 0.001, 0.0, 0.002, -0.001, 0.001, -0.002]
    small = [0.001, 0.002, 0.001, 0.003, 0.002, 0.001, 0.001, 0.002]
    given = [clear, [-each for each in clear], noise, near, small]
    assert [one.verdict for one in compare(given, 0.01)] == ["higher", "lower", "undecided", "equal", "equal"]
    assert [one.verdict for one in compare(given)] == ["higher", "lower", "undecided", "undecided", "higher"]
    assert [one.verdict for one in compare([clear] * 50)] == ["higher"] * 50
    near_miss = [0.01, 0.04, 0.02, -0.01, 0.03, 0.02, 0.0, 0.01]
    assert [compare([near_miss] * many)[0].verdict for many in (1, 4)] == ["higher", "undecided"]  # Holm


def test_where_lower_is_better_the_probability_turns_but_not_the_difference():
    (one,) = compare([[0.1, 0.2, -0.1]], sign=-1)
    assert one.improvement == pytest.approx(1 / 3)
    assert one.mean > 0


def test_no_pair_at_all_is_a_comparison_without_numbers():
    (one,) = compare([[]])
    assert (one.n, one.verdict) == (0, "descriptive")
    assert math.isnan(one.mean)
    assert compare([]) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [3, 6, 30])
def test_intervals_cover_at_least_93_of_100(shape, n):
    values = SHAPES[shape](np.random.default_rng(n), (1000, n))
    held = np.mean([one.low <= 0 <= one.high for one in map(summarize, values.tolist())])
    assert held >= 0.93 - 0.02


def test_skewed_differences_of_few_seeds_are_covered_too_seldom_which_the_docs_say():
    values = np.random.default_rng(0).lognormal(size=(1000, 6)) - math.exp(0.5)
    assert np.mean([one.low <= 0 <= one.high for one in map(summarize, values.tolist())]) < 0.92


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [6, 10, 30])
def test_no_difference_is_called_one_in_at_most_5_of_100(shape, n):
    values = SHAPES[shape](np.random.default_rng(n), (400, n))
    for test in (paired_t_p, permutation_p, wilcoxon_p):
        assert np.mean(test(values) < 0.05) <= at_most(0.05, 400)


def test_a_family_without_differences_has_one_in_at_most_5_of_100():
    scores = np.random.default_rng(0).normal(size=(100, 10, 5))
    families = [compare(list((each[:, 1:] - each[:, :1]).T)) for each in scores]  # with one reference
    wrong = [any(one.verdict in ("higher", "lower") for one in family) for family in families]
    assert np.mean(wrong) <= at_most(0.05, 100)


@pytest.mark.parametrize("n", [6, 10, 30])
def test_a_difference_of_the_margin_is_called_equal_in_at_most_5_of_100(n):
    values = np.random.default_rng(n).normal(1, 1, (500, n))
    assert np.mean([equal_p(each, 1) < 0.05 for each in values]) <= at_most(0.05, 500)


@pytest.mark.parametrize("effect", [0.8, 1.5])
@pytest.mark.parametrize("family", [1, 5])
def test_a_planted_effect_is_found_with_the_seeds_that_are_said_to_be_needed(effect, family):
    n = int(seeds_needed(effect, 1, family))
    values = np.random.default_rng(n).normal(effect, 1, (500, n))
    found = np.mean(paired_t_p(values) < 0.05 / family)
    assert found >= 0.8 - (at_most(0.2, 500) - 0.2)
