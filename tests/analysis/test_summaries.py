"""Facts per arm: scores, costs, the trade between them, one table of a study, all studies of a run."""

import math

import pandas as pd
import pytest

from skipbench.analysis.statistics import summarize
from skipbench.analysis.summaries import (
    accuracy,
    cost,
    headline,
    latency,
    overview,
    parts,
    results,
    scores,
    spread,
    tradeoff,
    why_empty,
)
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer

MIOU = SegmentationScorer.scores[0].on("test")


def test_accuracy_has_a_row_for_every_arm_that_is_trained(trained):
    table = accuracy(
        trained({"unet / add": [0.5, 0.6], "fpn / add": [0.7, None], "fpn / max": [None, None]}), "test/miou"
    )
    assert table["arm"].tolist() == ["unet / add", "fpn / add", "fpn / max"]
    assert table["n"].tolist() == [2, 1, 0]
    assert table["planned"].tolist() == [2, 2, 2]
    assert table.loc[0, ["mean", "sd", "low", "high"]].tolist() == list(summarize([0.5, 0.6])[1:])
    assert table.loc[1, "mean"] == 0.7
    assert table.loc[1:, ["low", "high"]].isna().all(axis=None)


def test_scores_are_every_seed(trained):
    table = scores(trained({"unet / add": [0.5, None, 0.6]}), "test/miou")
    assert list(zip(table["seed"], table["value"], strict=True)) == [(0, 0.5), (2, 0.6)]


def test_the_headline_is_the_first_score_of_the_table_that_was_measured(trained, cell, record, frames):
    assert headline(trained({"unet / add": [0.5]})) == MIOU
    assert headline(trained({"unet / add": [None]})) is None
    other = cell()
    assert headline(frames([other], [record(other, {"test/made_up": 1.0})])) is None


def test_shares_of_parts_add_up_to_the_whole(cell, record, frames):
    costed = cell("cost")
    values = {
        "params/encoder": 60.0,
        "params/fusion": 0.0,
        "params/decoder": 40.0,
        "params/total": 100.0,
        "macs/head": 0.0,
    }
    study = frames([costed], [record(costed, values, notes=["left out: relu 3x"])])
    table = parts(study, "params")
    assert dict(zip(table["part"], table["share"], strict=True)) == {"encoder": 0.6, "fusion": 0.0, "decoder": 0.4}
    assert math.isnan(parts(study, "macs").loc[0, "share"])
    assert cost(study)["notes"].tolist() == ["left out: relu 3x"]


def test_settings_of_latency_are_columns(cell, record, frames):
    timed = cell("latency")
    study = frames([timed], [record(timed, {"latency_ms/median": 3.0}, settings={"size": [96, 96], "threads": 2})])
    row = latency(study).iloc[0]
    assert (row["latency_ms/median"], row["setting/size"], row["setting/threads"]) == (3.0, "96, 96", "2")


@pytest.fixture
def priced(cell, record, frames):
    """Make a study of arms with a score and MACs each; None: not costed."""

    def make(points):
        records = [record(cell("train", arm), {"test/miou": score}) for arm, (score, _) in points.items()]
        records += [record(cell("cost", arm), {"macs/total": macs}) for arm, (_, macs) in points.items() if macs]
        return frames(records, records)

    return make


def test_tradeoff_leaves_out_arms_without_a_score_or_a_cost(priced):
    points = tradeoff(
        priced({"a / x": (0.5, 10.0), "b / x": (0.6, None), "c / x": (0.4, 20.0)}), MIOU, "macs/total"
    )
    assert points["arm"].tolist() == ["a / x", "c / x"]
    assert points["on_front"].tolist() == [True, False]
    assert points["cost"].tolist() == [10.0, 20.0]


def test_on_the_front_of_a_score_whose_lower_values_are_better_is_the_lowest(priced):
    error = Metric("test/miou", "error", better="lower")
    points = tradeoff(priced({"a / x": (0.5, 10.0), "b / x": (0.6, 10.0)}), error, "macs/total")
    assert points["on_front"].tolist() == [True, False]


def test_an_empty_kind_says_why(cell, record, frames):
    cells = [cell("cost"), cell("latency", "a / x"), cell("latency", "b / x")]
    study = frames(cells, [record(cells[0], {"params/total": 1.0}), record(cells[1], reason="no GPU")])
    assert why_empty(study, "cost") is None
    assert why_empty(study, "latency") == "No latency cell has a result: 1 failed, 1 not run yet."
    assert why_empty(study, "train") == "The suite has no train cells."


def test_spread_is_how_much_more_the_largest_is():
    assert spread(pd.Series([100.0, 125.0, math.nan])) == pytest.approx(0.25)
    assert math.isnan(spread(pd.Series([], dtype=float)))
    assert math.isnan(spread(pd.Series([0.0, 1.0])))


def test_costs_stand_once_and_speeds_are_means_over_runs(cell, record, frames):
    records = [
        record(cell(seed=0), {"test/miou": 0.5, "train/images_per_s": 10.0}),
        record(cell(seed=1), {"test/miou": 0.6, "train/images_per_s": 20.0}),
        record(cell("cost"), {"params/total": 7.0}),
        record(cell(arm="fpn / add"), {"test/miou": 0.7}),
    ]
    table = results(frames(records, records), SegmentationScorer.scores[0].on("test")).set_index("arm")
    assert table.loc["unet / add", ["mean", "params/total", "train/images_per_s"]].tolist() == [0.55, 7.0, 15.0]
    assert math.isnan(table.loc["fpn / add", "params/total"])
    assert "macs/total" not in table


def test_arms_are_ranked_inside_each_study_by_its_own_score(cell, record, frames):
    scores = {
        ("segmentation", "test/miou"): {"a / x": 0.5, "b / x": 0.6, "c / x": 0.6},
        ("detection", "test/ap"): {"a / x": 0.3, "b / x": 0.2, "c / x": None},
    }
    cells, records = [], []
    for (task, key), arms in scores.items():
        for arm, score in arms.items():
            cells.append(cell(arm=arm, task=task))
            records += [record(cells[-1], {key: score})] if score is not None else []
    table = overview(frames([*cells, cell(task="pose")], records))
    assert table["study"].unique().tolist() == ["segmentation on shapes", "detection on shapes"]
    assert table["key"].unique().tolist() == ["test/miou", "test/ap"]
    assert table["rank"].tolist()[:5] == [3, 1, 1, 1, 2]
    assert math.isnan(table["rank"].iloc[5])
    assert table["n"].tolist() == [1, 1, 1, 1, 1, 0]


def test_nothing_measured_is_an_empty_overview(cell, frames):
    assert overview(frames([cell()], [])).empty
