"""All studies at a glance: each with its own score, and the rank of every arm in it."""

import math

from skipbench.analysis.overview import overview


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
