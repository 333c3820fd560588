"""The picture of a walk says of each edit what it changes, over which orders, and what follows."""

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

from skipbench.analysis.morphs import contributions, judged, walk
from skipbench.bench.records.metrics import percentage
from skipbench.reports.morph_picture import morph_picture

EDITS = ["lateral: residual → conv1x1", "out: none → conv3x3", "share_head: true → false"]
FACTORS = [("lateral",), ("out",), ("share_head",)]
PARAMS = (1000.0, 800.0, 1200.0, 1200.0)


@pytest.fixture
def table() -> pd.DataFrame:
    counts = [{"params/total": count, "macs/total": 1e6} for count in PARAMS]
    return walk(["", *EDITS], counts).assign(factors=[(), *FACTORS])


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_costs_are_bars_with_their_numbers_and_a_verdict(table):
    figure = morph_picture(judged(table, [False, False, False, True]), ("hourglass", "fpn"), "add")
    params, macs, verdicts = figure.axes
    assert [round(bar.get_width(), 6) for bar in params.patches] == [-0.2, 0.4, 0]
    assert [bar.get_width() for bar in macs.patches] == [0, 0, 0]
    assert {"−0.2 (−20.0 %)", "+0.4 (+40.0 %)", "0"} <= set(texts(figure))
    assert [text.get_text() for text in verdicts.texts] == [
        "saves parameters",
        "costs parameters",
        "changes nothing",
    ]
    assert figure.get_suptitle() == "From hourglass to fpn in 3 edits; the fusion (add) stays"
    assert [label.get_text() for label in params.get_yticklabels()] == EDITS
    assert params.get_title() == "Parameters (k)\n1.0 → 1.2"


def test_effects_over_orders_are_a_mean_and_a_range(table):
    orders = [[(factors, change) for factors, change in zip(FACTORS, changes, strict=True)]
              for changes in ((-200, 400, 0), (-100, 300, 0))]  # fmt: skip
    effects = {"params/total": contributions(orders), "macs/total": contributions(orders)}
    params, *_ = morph_picture(judged(table), ("a", "b"), effects=effects).axes
    drawn = [[round(float(x), 6) for x in line.get_xdata()] for line in params.lines]
    assert [-0.2, -0.1] in drawn  # the range
    assert [-0.15] in drawn  # the mean
    assert [0.3, 0.4] in drawn


def test_scores_and_latencies_have_panels_where_there_are_some(table):
    numbers = {"n": 6, "mean": 0.02, "low": 0.01, "high": 0.03, "verdict": "higher", "score": 0.5}
    scored = table.assign(**numbers, each=[[0.02] * 6] * 4)
    scored.loc[2, ["mean", "low", "high", "verdict"]] = (0.0, -0.1, 0.1, "undecided")
    scored = scored.assign(
        **{"latency_ms/median": 2.0, "latency/ratio": [math.nan, 1.2, 1.0, math.nan], "latency/low": 0.9},
        **{"latency/high": 1.3, "latency/verdict": [None, "slower", "equal", None]},
    )
    figure = morph_picture(judged(scored), ("a", "b"), score=percentage("test/miou", "mIoU"))
    assert len(figure.axes) == 5
    shown = texts(figure)
    assert {"+20.0 % slower", "+0.0 % equal", "+2.0 [+1.0, +3.0]", "matters", "not shown to matter"} <= set(shown)
    assert {"saves parameters", "costs latency"} <= set(shown)
    assert len(morph_picture(judged(table), ("a", "b"), score=percentage("x", "X")).axes) == 3
