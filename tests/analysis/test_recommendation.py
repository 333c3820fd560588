"""What to take: which arms keep the limits, which may be the best, and the sentence where there is no choice."""

import numpy as np
import pytest

from skipbench.analysis.recommendation import (
    BEATEN,
    BEST,
    CHEAPER,
    EQUAL,
    FEW,
    HARDLY,
    ONLY,
    OUTSIDE,
    RIVAL,
    SURELY,
    TOP,
    UNKNOWN,
    UNSURE,
    UNTESTED,
    Limits,
    recommend,
    scope,
    seeds_wanted,
)
from skipbench.bench.errors import BenchError

MEDIAN, LOW, HIGH = "latency_ms/median", "latency_ms/low", "latency_ms/high"
NOISE = np.random.default_rng(0).normal(0, 0.01, (4, 20))


def seeds(mean: float, number: int = 12, arm: int = 0) -> list[float]:
    """Return scores with exactly this mean over so many seeds."""
    noise = NOISE[arm, :number]
    return list(mean + noise - noise.mean())


@pytest.fixture
def study(cell, record, frames):
    """Make a study of arms with scores by seed (None: failed), and costs by key."""

    def make(arms, suite=None, key="test/miou", **costs):
        records = [
            record(cell(arm=arm, seed=seed), **({"reason": "no"} if score is None else {"values": {key: score}}))
            for arm, scores in arms.items()
            for seed, score in enumerate(scores)
        ]
        for kind, values in (("cost", ("macs", "params")), ("latency", ("latency",))):
            for arm in arms:
                given = {name: costs[name][arm] for name in values if arm in costs.get(name, {})}
                named = {f"{name}/total": value for name, value in given.items() if name != "latency"}
                if "latency" in given:
                    named |= dict(zip((MEDIAN, LOW, HIGH), given["latency"], strict=True))
                if named:
                    records.append(record(cell(kind, arm), named))
        return frames(records, records, suite=suite)

    return make


def column(found, name):
    return dict(zip(found.arms["arm"], found.arms[name], strict=True))


def test_a_planted_best_is_the_choice_and_others_are_beaten_or_cheaper(study):
    run = study(
        {"a / x": seeds(0.7), "b / x": seeds(0.5, arm=1), "c / x": seeds(0.6, arm=2)},
        macs={"a / x": 10.0, "b / x": 5.0, "c / x": 20.0},
    )
    found = recommend(run, Limits())
    assert column(found, "verdict") == {"a / x": BEST, "c / x": BEATEN, "b / x": CHEAPER}
    assert found.shortlist == ["a / x"]
    assert column(found, "best_in") == {"a / x": 1.0, "c / x": 0.0, "b / x": 0.0}
    row = found.arms.iloc[1]
    assert row["difference"] == pytest.approx(-0.1)
    assert row["difference_low"] < -0.1 < row["difference_high"] < 0
    assert seeds_wanted(found, 50) is None


def test_where_arms_are_alike_the_shortlist_has_them_and_the_seeds_that_it_takes(study):
    found = recommend(study({"a / x": seeds(0.603), "b / x": seeds(0.6, arm=1)}), Limits())
    assert column(found, "verdict") == {"a / x": TOP, "b / x": RIVAL}
    assert 0.3 < found.arms.best_in[0] < 0.9
    assert found.arms.best_in.sum() == pytest.approx(1)
    needed = found.arms.seeds_needed[1]
    assert needed > 50
    assert seeds_wanted(found, 50) is None
    assert seeds_wanted(found, 1000) == needed


def test_within_the_suites_margin_arms_are_equal(study):
    suite = {"studies": [{"task": {"name": "segmentation"}, "margin": 0.05}]}
    found = recommend(study({"a / x": seeds(0.601), "b / x": seeds(0.6, arm=1)}, suite), Limits())
    assert column(found, "verdict") == {"a / x": TOP, "b / x": EQUAL}
    assert found.undecided.empty
    assert found.margin == 0.05


def test_a_cost_is_within_its_limit_surely_or_not(study):
    arms = [f"{name} / x" for name in "abcde"]
    run = study(
        dict(zip(arms, (seeds(0.5 + i / 10, 6, i % 4) for i in range(5)), strict=True)),
        latency={
            "a / x": (8, 7, 9),
            "b / x": (9, 8, 11),
            "c / x": (11, 9, 13),
            "d / x": (12, 11, 13),
        },
    )
    found = recommend(run, Limits({MEDIAN: 10}))
    assert column(found, "within") == dict(zip(arms, (SURELY, UNSURE, HARDLY, OUTSIDE, UNKNOWN), strict=True))
    assert found.shortlist == ["a / x"]
    assert found.arms.verdict[0] == ONLY
    found = recommend(run, Limits({MEDIAN: 8.5}))
    assert found.shortlist == ["a / x"]  # its median is within; the better b's is not
    assert column(found, "within")["b / x"] == HARDLY


def test_of_a_score_the_interval_has_to_reach_the_limit_and_six_seeds_make_it_sure(study):
    arms = {"a / x": seeds(0.7), "b / x": seeds(0.6, arm=1), "c / x": seeds(0.5, arm=2)}
    words = column(recommend(study(arms), Limits(score=0.6)), "within")
    assert words == {"a / x": SURELY, "b / x": UNSURE, "c / x": OUTSIDE}
    few = {arm: scores[:3] for arm, scores in arms.items()}
    assert column(recommend(study(few), Limits(score=0.6)), "within")["a / x"] == UNSURE


def test_an_error_is_to_be_low(cell, record, frames):
    arms = {"a / x": seeds(3.0), "b / x": seeds(2.0, arm=1)}
    records = [
        record(cell(arm=arm, seed=seed, task="pose"), {"test/error_px": score})
        for arm, scores in arms.items()
        for seed, score in enumerate(scores)
    ]
    run = frames(records, records)
    found = recommend(run, Limits(score=2.5))
    assert found.shortlist == ["b / x"]
    assert column(found, "within") == {"b / x": SURELY, "a / x": OUTSIDE}
    assert "≤ 2" in found.limits.told(run, found.score)


def test_few_seeds_are_described_and_six_are_wanted(study):
    found = recommend(study({"a / x": [0.7, 0.71], "b / x": [0.1, 0.12]}), Limits())
    assert column(found, "verdict") == {"a / x": TOP, "b / x": UNTESTED}
    assert found.arms.best_in.isna().all()
    assert not found.tested
    assert seeds_wanted(found, 50) == 6


def test_an_arm_with_one_lucky_seed_is_not_the_best(study):
    arms = {"a / x": seeds(0.6), "b / x": [0.99, *[None] * 11], "c / x": seeds(0.5, arm=2)}
    found = recommend(study(arms), Limits())
    assert column(found, "verdict") == {"a / x": BEST, "c / x": BEATEN, "b / x": FEW}
    assert found.arms.n.tolist() == [12, 12, 1]


def test_seeds_are_paired(study):
    """The seed moves both arms far more than the arms differ."""
    shift = NOISE[3, :12] * 20
    arms = {"a / x": seeds(0.6) + shift, "b / x": seeds(0.5, arm=1) + shift}
    assert recommend(study(arms), Limits()).arms.verdict[0] == BEST


def test_counts_that_are_lower_bounds_never_surely_keep_a_limit(cell, record, frames):
    records = [
        record(cell(arm=arm, seed=seed), {"test/miou": 0.5 + seed / 100})
        for arm in ("a / x", "b / x")
        for seed in (0, 1)
    ]
    records += [
        record(cell("cost", arm), {"macs/total": 10.0, "operators/unruled": unruled})
        for arm, unruled in (("a / x", 0.0), ("b / x", 1.0))
    ]
    found = recommend(frames(records, records), Limits({"macs/total": 10}))
    assert column(found, "within") == {"a / x": SURELY, "b / x": UNSURE}


def test_the_scope_names_the_machine_where_latency_counts(cell, record, frames):
    records = [
        record(cell(arm=arm, seed=seed), {"test/miou": 0.5}) for arm in ("a / x", "b / x") for seed in (0, 1)
    ]
    records += [
        record(cell("latency", arm), {MEDIAN: 1.0}, environment={"cpu": "Z80"}) for arm in ("a / x", "b / x")
    ]
    run = frames(records, records)
    assert "(Z80)" in scope(recommend(run, Limits({MEDIAN: 2})))
    assert "Z80" not in scope(recommend(frames(records[:4], records[:4]), Limits()))


@pytest.mark.parametrize(
    ("arms", "limits", "sentence"),
    [
        ({"a / x": [None], "b / x": [None]}, Limits(), "has no finished training with a score"),
        ({"a / x": [0.5, 0.6]}, Limits(), "has a score of a / x only"),
        ({"a / x": [0.5], "b / x": [0.6]}, Limits(), "has one seed of each arm"),
        ({"a / x": [0.5] * 2, "b / x": [0.6] * 2}, Limits({MEDIAN: 1}), "has no measured median latency"),
        (
            {"a / x": [0.5] * 2, "b / x": [0.6] * 2},
            Limits({"macs/total": 3e6}),
            "no arm of segmentation on shapes has MACs ≤ 0.003 G; the nearest is b / x, with MACs 0.005 G and ",
        ),
        (
            {"a / x": [0.5] * 2, "b / x": [0.6] * 2},
            Limits({"macs/total": 6e6}, 0.7),
            "the nearest is b / x, with MACs 0.005 G and mIoU 60.0 %.",
        ),
    ],
)
def test_no_choice_is_one_sentence(study, arms, limits, sentence):
    run = study(arms, macs={"a / x": 8e6, "b / x": 5e6})
    with pytest.raises(BenchError) as raised:
        recommend(run, limits)
    assert sentence in str(raised.value)
