"""What edits are worth: by hand for two factors, exact sums for any orders, and verdicts from made-up runs."""

import math
import random
from fractions import Fraction

import pytest

from skipbench.analysis import morphs
from skipbench.analysis.morphs import contributions, judged, planned, steps, together, walk, with_scores

VALUE = {"": 10, "a": 12, "b": 15, "ab": 20}


def order_of(factors: str, value=VALUE) -> list[tuple[tuple[str, ...], float]]:
    """Return the changes where these factors change one after the other."""
    sets = ["".join(sorted(factors[:length])) for length in range(len(factors) + 1)]
    return [((f,), value[sets[i + 1]] - value[sets[i]]) for i, f in enumerate(factors)]


def test_two_factors_by_hand():
    a, b = contributions([order_of("ab"), order_of("ba")])
    assert (a.factor, a.each, a.mean, a.low, a.high) == ("a", (2, 5), Fraction(7, 2), 2, 5)
    assert (b.factor, b.each, b.mean, b.low, b.high) == ("b", (8, 5), Fraction(13, 2), 5, 8)


def test_factors_that_are_alike_are_worth_the_same():
    alike = {"": 0, "a": 3, "b": 3, "ab": 10}
    a, b = contributions([order_of("ab", alike), order_of("ba", alike)])
    assert a.mean == b.mean == 5


def test_what_changes_together_is_shared_equally():
    effects = contributions([[(("a", "b"), 7)], order_of("ab")])
    assert [effect.each for effect in effects] == [(Fraction(7, 2), 2), (Fraction(7, 2), 8)]
    assert together(effects, ("a", "b")).each == (7, 10)


@pytest.mark.parametrize("seed", range(20))
def test_the_means_add_up_to_the_whole_difference_exactly(seed):
    """Efficiency, for whole numbers and fractions, whatever orders were drawn and what changed together."""
    draw = random.Random(seed)
    factors, value = "abcdef", {frozenset(): draw.random()}
    orders = []
    for _ in range(draw.randint(1, 9)):
        left, done, order = draw.sample(factors, len(factors)), frozenset(), []
        while left:
            group = [left.pop() for _ in range(min(len(left), draw.choice((1, 1, 1, 2, 3))))]
            after = done | set(group)
            value.setdefault(after, draw.choice((draw.randint(-(10**9), 10**9), draw.random())))
            order.append((group, Fraction(value[after]) - Fraction(value[done])))
            done = after
        orders.append(order)
    total = Fraction(value[frozenset(factors)]) - Fraction(value[frozenset()])
    assert sum(effect.mean for effect in contributions(orders)) == total


def walked(*params: float):
    return walk(["", *("xyz"[: len(params) - 1])], [{"params/total": p, "macs/total": 2 * p} for p in params])


def test_a_walk_adds_up():
    table = walked(1000, 1005, 1250, 900)
    assert table["edit"].tolist() == ["", "x", "y", "z"]
    assert table["params/total/change"].tolist()[1:] == [5, 245, -350]
    assert table["params/total/change"].sum() == 900 - 1000
    assert table["macs/total/share"].tolist()[1:] == [0.005, 0.245, -0.35]


def test_what_edits_cost_in_words():
    table = judged(walked(1000, 1005, 1250, 900))
    words = ["", "free", "costs 24 % parameters, 24 % MACs", "saves 35 % parameters, 35 % MACs"]
    assert table["cost"].tolist() == words
    assert judged(walked(1000, 1000), [False, True])["cost"].tolist() == ["", "changes nothing"]
    assert judged(walk(["", "x"], [{}, {}]))["cost"].tolist() == ["", "not counted"]
    timed = walked(1000, 1000).assign(**{"latency/ratio": [math.nan, 1.21], "latency/verdict": [None, "slower"]})
    assert judged(timed)["cost"].tolist() == ["", "costs 21 % latency"]
    mixed = walk(["", "x"], [{"params/total": 10, "macs/total": 10}, {"params/total": 20, "macs/total": 5}])
    assert judged(mixed)["cost"].tolist()[1] == "costs 100 % parameters; saves 50 % MACs"


def test_the_change_in_score_is_paired_by_seed(trained):
    first, second = [0.5, 0.6, 0.7], [0.53, 0.61, None]
    study = trained({"unet / add": first, "unet / concat": second})
    table = with_scores(walked(1, 1, 1), study, ["unet / add", "unet / concat", ""], "test/miou")
    row = table.iloc[1]
    assert row["n"] == 2
    assert row["mean"] == pytest.approx(0.02)
    assert row["each"] == pytest.approx([0.03, 0.01])
    assert (row["low"] + row["high"]) / 2 == pytest.approx(0.02)
    assert math.isnan(row["p"])  # two pairs are no test
    assert table.iloc[2]["n"] == 0
    assert judged(table)["worth"].tolist() == ["", "too few seeds", "not trained"]


@pytest.mark.parametrize(
    ("shift", "worth"),
    [([0.02, 0.03, 0.02, 0.03, 0.02, 0.03], morphs.MATTERS), ([0.1, -0.1] * 3, "not shown to matter")],
)
def test_six_seeds_can_say_that_an_edit_matters(trained, shift, worth):
    base = [0.5, 0.4, 0.6, 0.5, 0.7, 0.5]
    moved = [score + change for score, change in zip(base, shift, strict=True)]
    study = trained({"unet / add": base, "unet / concat": moved})
    table = judged(with_scores(walked(1, 1), study, ["unet / add", "unet / concat"], "test/miou"))
    assert table["worth"].tolist() == ["", worth]


def test_p_values_are_corrected_for_the_number_of_edits(trained):
    base = [0.5, 0.4, 0.6, 0.5, 0.7, 0.5]
    moved = [score + change for score, change in zip(base, [0.01, 0.03, 0.02, 0.03, 0.02, 0.0], strict=True)]
    study = trained({"unet / add": base, "unet / concat": moved, "unet / max": base})
    table = with_scores(walked(1, 1, 1), study, ["unet / add", "unet / concat", "unet / max"], "test/miou")
    assert table["p_holm"].tolist()[1:] == pytest.approx([2 * table["p"].iloc[1]] * 2)


ARMS = ["hourglass / add", "between / add", "fpn / add"]


@pytest.fixture
def study(cell, record, frames):
    """A study with a morph of two edits, of which the second has no cost yet."""
    specs = dict(zip(ARMS, ["residual", "conv1x1", "conv1x1"], strict=True))
    outs = dict(zip(ARMS, ["none", "none", "conv3x3"], strict=True))
    cells, records = [], []
    for number, arm in enumerate(ARMS):
        factors = {"lateral": specs[arm], "post": "none", "out": outs[arm]}
        costed = cell("cost", arm, **factors)
        cells.append(costed)
        if arm != ARMS[2]:
            records.append(record(costed, {"params/total": 100.0 - number, "macs/total": 50.0}))
        for seed in range(2):
            run = cell("train", arm, seed, **factors)
            cells.append(run)
            values = {"test/miou": 0.5 + 0.1 * number + 0.01 * seed, "start/outputs": 1.0 + 4 * (number == 2)}
            records.append(record(run, values))
    arms = [{"morph": ["hourglass", "fpn"], "steps": ARMS}, {"morph": ["unet", "fpn"], "steps": ["unet", "fpn"]}]
    (found,) = frames(cells, records, suite={"studies": [{"arms": arms}]}).studies()
    return found


def test_a_suite_s_morphs_are_those_whose_arms_are_there(study):
    assert planned(study) == {"hourglass / add to fpn / add": ARMS}


def test_the_steps_of_a_planned_morph(study):
    table = steps(study, "hourglass / add to fpn / add")
    assert table["edit"].tolist() == ["", "lateral: residual → conv1x1", "out: none → conv3x3"]
    assert table["arm"].tolist() == ARMS
    assert table["cost"].tolist() == ["", "saves 1 % parameters", "not counted"]
    assert table["mean"].tolist()[1:] == pytest.approx([0.1, 0.1])
    assert table["also"].tolist() == ["", "−1 % parameters", "5 supervised outputs instead of 1"]
