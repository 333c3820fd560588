"""Scores by group: means over seeds of what was measured, and nothing for what was not."""

import math

import pytest

from skipbench.analysis.breakdowns import (
    breakdown,
    definition,
    gap_effects,
    gaps,
    group_runs,
    groups,
    measured_breakdowns,
    reference,
)
from skipbench.analysis.statistics import summarize
from skipbench.bench.tasks.detection.metrics import DetectionScorer
from skipbench.bench.tasks.pose import PoseScorer

BY_SIZE = DetectionScorer.scores[0].on("test").by[1]
BY_JOINT, BY_VISIBILITY, _ = PoseScorer.scores[0].on("test").by


@pytest.fixture
def scored(cell, record, frames):
    """Make a study of arms with values per group and seed: {arm: [{group: value}, ...]}."""

    def make(prefix, arms, task="pose", **outcome):
        runs = [
            (cell(arm=arm, seed=seed, task=task), found)
            for arm, seeds in arms.items()
            for seed, found in enumerate(seeds)
        ]
        records = [
            record(one, {f"{prefix}{group}": value for group, value in found.items()}, **outcome)
            for one, found in runs
        ]
        return frames(records, records)

    return make


def test_a_group_s_interval_is_over_the_seeds_that_have_it(scored):
    found = scored(
        BY_SIZE.prefix,
        {"a / x": [{"large": 0.5, "small": 0.1}, {"large": 0.6}], "b / x": [{"large": 0.7}, {"large": 0.8}]},
    )
    table = breakdown(found, BY_SIZE)
    assert list(zip(table.arm, table.group, table.n, strict=True)) == [
        ("a / x", "small", 1),
        ("a / x", "large", 2),
        ("b / x", "large", 2),
    ]
    assert table.loc[1, ["mean", "sd", "low", "high"]].tolist() == list(summarize([0.5, 0.6])[1:])
    assert math.isnan(table.loc[0, "low"])
    assert groups(found, BY_SIZE) == ["small", "large"]


def test_groups_that_the_data_name_stand_in_the_data_s_order(scored):
    found = scored(BY_JOINT.prefix, {"a / x": [{"nose": 0.5, "ear": 0.4}]})
    assert groups(found, BY_JOINT) == ["nose", "ear"]
    assert group_runs(found, BY_JOINT)["value"].tolist() == [0.5, 0.4]


def test_only_what_was_measured_is_broken_down(scored):
    pose = scored(BY_VISIBILITY.prefix, {"a / x": [{"visible": 0.5}]})
    assert [(score.key, by.name) for score, by in measured_breakdowns(pose)] == [("test/pck@0.1", "visibility")]
    assert measured_breakdowns(scored(BY_JOINT.prefix, {"a / x": [{"nose": 0.5}]})) == []


def test_visible_less_occluded_is_paired_by_seed(scored):
    found = scored(
        BY_VISIBILITY.prefix,
        {
            "a / x": [{"visible": 0.9, "occluded": 0.5}, {"visible": 0.8, "occluded": 0.6}, {"visible": 0.1}],
            "b / x": [{"visible": 0.7}],
        },
    )
    assert gaps(found, BY_VISIBILITY)["difference"].tolist() == pytest.approx([0.4, 0.2])
    effects = gap_effects(found, BY_VISIBILITY)
    assert effects[["arm", "n"]].to_numpy().tolist() == [["a / x", 2]]
    assert effects.loc[0, ["mean", "low", "high"]].tolist() == pytest.approx(
        [getattr(summarize([0.4, 0.2]), name) for name in ("mean", "low", "high")]
    )


def test_no_run_with_both_groups_has_no_difference(scored):
    assert gap_effects(scored(BY_VISIBILITY.prefix, {"a / x": [{"visible": 0.9}]}), BY_VISIBILITY).empty


def test_groups_are_defined_by_what_the_records_say(scored):
    data = {"size_limits_px": [16, 32.5], "reference": "nose to tail"}
    found = scored(BY_SIZE.prefix, {"a / x": [{"small": 0.1}, {"small": 0.2}]}, settings={"data": data})
    assert definition(found, BY_SIZE).endswith("sees it: small < 16 ≤ medium < 32.5 ≤ large.")
    assert reference(found) is None
    joints = scored("test/pck@", {"a / x": [{"0.1": 0.5}]}, settings={"data": data})
    assert reference(joints) == "The reference length of a person: nose to tail."
    silent = scored(BY_SIZE.prefix, {"a / x": [{"small": 0.1}]})
    assert "do not give the limits" in definition(silent, BY_SIZE)
    assert reference(silent) is None
