"""Ranks, grids of factors and spreads, as plain numbers: by hand, and against other implementations."""

import math

import numpy as np
import pandas as pd
import pytest

from skipbench.analysis.statistics.factorial import BLOCKED, MIXED, factorial
from skipbench.analysis.statistics.ranks import critical_difference, resampled_means, stability
from skipbench.analysis.statistics.variance import deviation, shares


def test_stability_by_hand():
    found = stability([3, 2, 1], [[3, 2, 1], [3, 2, 1], [2, 3, 1], [2, 2, 1]], costs=[2, 2, 1])
    assert found.rank.tolist() == [1, 2, 3]
    assert found.first.tolist() == [2.5 / 4, 1.5 / 4, 0]
    assert found.on_front.tolist() == [3 / 4, 2 / 4, 1]
    assert np.isnan(stability([1, 2], [[1, 2]]).on_front).all()
    assert stability([1, 2], [[1, 2]], costs=[math.nan, 1]).on_front.tolist() == pytest.approx(
        [math.nan, 1], nan_ok=True
    )


def test_resampled_means_share_the_seeds_that_are_drawn():
    found = resampled_means([[1, 2, 3], [2, 3, 4]], resamples=500)
    assert found.shape == (500, 2)
    assert np.ptp(found[:, 0]) > 0
    assert (found[:, 1] - found[:, 0]).tolist() == pytest.approx([1] * 500)


def test_critical_difference_equals_scikit_posthocs_and_demsar():
    posthocs = pytest.importorskip("scikit_posthocs")
    scores = np.random.default_rng(0).normal([0, 0.5, 1, 3], size=(14, 4))
    found = critical_difference(scores)
    assert found.distance == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 14)), abs=1e-3)  # Demšar's table 5
    apart = posthocs.posthoc_nemenyi_friedman(scores).to_numpy() < 0.05
    assert (np.abs(found.ranks[:, None] - found.ranks) > found.distance).tolist() == apart.tolist()
    assert apart.any()
    assert not apart.all()


def test_groups_join_what_is_not_told_apart():
    found = critical_difference([[4, 3, 2, 1]] * 6)
    assert found.ranks.tolist() == [1, 2, 3, 4]
    assert (found.needed, found.blocks) == (3, 6)
    assert found.groups == [(0, 1), (1, 2), (2, 3)]


def grid(seeds: int, interaction: float = 0.0, noise: float = 0.01) -> pd.DataFrame:
    """Return runs of 2 x 3 arms in which b adds 0.1 to a, and 0.1 + interaction to it where depth is z."""
    random, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        of_seed = random.normal(0, 0.05)
        for fusion in "ab":
            for number, depth in enumerate("xyz"):
                effect = 0.1 * (fusion == "b") + 0.02 * number + interaction * (fusion == "b" and depth == "z")
                value = 0.5 + of_seed + effect + random.normal(0, noise)
                rows.append({"seed": seed, "fusion": fusion, "depth": depth, "value": value})
    return pd.DataFrame(rows)


def test_a_balanced_grid_has_the_differences_of_its_means():
    runs = grid(6, interaction=0.05)
    table = factorial(runs, ["fusion", "depth"]).set_index("levels")
    means = runs.groupby(["fusion", "depth"])["value"].mean()
    assert table.loc["b − a", "estimate"] == pytest.approx(means["b"].mean() - means["a"].mean(), abs=1e-6)
    twice = (means["b", "z"] - means["a", "z"]) - (means["b", "x"] - means["a", "x"])
    assert table.loc["(b − a) × (z − x)", "estimate"] == pytest.approx(twice, abs=1e-6)
    assert table.loc["(b − a) × (z − x)", "p_holm"] < 0.05 < table.loc["(b − a) × (y − x)", "p_holm"]
    assert set(table["method"]) == {MIXED}
    assert table.loc["b − a", "low"] < 0.1 + 0.05 / 3 < table.loc["b − a", "high"]


def test_runs_without_any_spread_are_not_fitted_by_the_mixed_model():
    runs = grid(3).assign(value=0.5)
    table = factorial(runs, ["fusion", "depth"])
    assert set(table["method"]) == {BLOCKED}
    assert table["estimate"].tolist() == pytest.approx([0] * 5, abs=1e-9)


def test_missing_arms_leave_the_main_effects():
    runs = grid(4)[lambda rows: ~((rows.fusion == "b") & (rows.depth == "z"))]
    table = factorial(runs, ["fusion", "depth"])
    assert table["factors"].tolist() == ["fusion", "depth", "depth"]
    assert table["method"].str.endswith("no interactions, for want of arms or seeds").all()


def test_one_seed_of_a_saturated_grid_and_no_runs_have_no_effects():
    assert factorial(grid(1)[lambda rows: rows.depth == "x"], ["fusion"]).empty
    assert factorial(grid(1), ["fusion", "depth"])["factors"].tolist() == ["fusion", "depth", "depth"]
    assert factorial(grid(2)[:0], ["fusion", "depth"]).empty
    assert factorial(grid(2), []).empty


def test_deviation_is_the_chi_squared_interval():
    found = deviation([1, 2, 3, 4, 5, 6])
    assert (found.n, found.sd) == (6, pytest.approx(math.sqrt(3.5)))
    assert (found.low / found.sd, found.high / found.sd) == (
        pytest.approx(0.624, abs=1e-3),
        pytest.approx(2.453, abs=1e-3),
    )
    assert math.isnan(deviation([1]).sd)
    assert shares({"a": 3, "b": 4}) == {"a": 9 / 25, "b": 16 / 25}
