"""Pareto fronts against cases done by hand and against the definition."""

import numpy as np
import pytest

from analysis.pareto import pareto_front


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
