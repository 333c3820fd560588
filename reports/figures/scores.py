"""Figures of accuracy: per arm, and as the paired difference that a fusion makes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.frames import Frames
from analysis.paired import fusion_differences, fusion_effects
from analysis.summaries import accuracy, headline, scores
from bench.metrics import Metric
from reports.errors import ReportError
from reports.figures.forest import Row, forest
from reports.style import Look, arm_looks

NAMES = ("one seed", "mean", "95 % t-interval")


def score_of(study: Frames) -> Metric:
    """Return the study's headline score. Raises ReportError where no training run has finished."""
    score = headline(study)
    if score is None:
        raise ReportError("there is no accuracy to show: no training run of this run folder has a score.")
    return score


def accuracy_figure(study: Frames) -> Figure:
    """Return the score of every run, per arm, with mean and t-interval."""
    score, looks = score_of(study), arm_looks(study)
    runs = scores(study, score.key)
    rows = [
        score_row(arm["arm"], looks[arm["arm"]], score, runs.loc[runs.arm == arm["arm"], "value"], arm)
        for arm in accuracy(study, score.key).to_dict("records")
    ]
    dataset = study.cells.dataset.iloc[0]
    return forest(rows, f"{score.label} on {dataset}, test images", score.title, NAMES)


def fusion_figure(study: Frames) -> Figure:
    """Return the paired difference of each fusion to its model's reference fusion."""
    score, looks = score_of(study), arm_looks(study)
    runs = fusion_differences(study, score.key)
    if runs.empty:
        raise ReportError("there is no fusion to compare: no two arms with a common seed differ in fusion only.")
    rows = [
        score_row(
            pair["label"],
            looks[pair["arm"]],
            score,
            runs.loc[runs.arm == pair["arm"], "difference"],
            pair,
            signed=True,
        )
        for pair in fusion_effects(study, score.key).to_dict("records")
    ]
    axis = f"difference in {score.label} (points)" if score.unit == "%" else f"difference in {score.title}"
    return forest(rows, "What the other fusion changes, same seed", axis, NAMES, zero=True)


def score_row(
    label: str, look: Look, score: Metric, runs: pd.Series, summary: Mapping[Any, Any], signed: bool = False
) -> Row:
    """Return the row of one summary (n, mean, low, high) and its runs, in the unit of `score`."""
    return Row(
        label=label,
        look=look,
        values=(runs * score.scale).tolist(),
        center=summary["mean"] * score.scale,
        low=summary["low"] * score.scale,
        high=summary["high"] * score.scale,
        text=_numbers(score, summary, signed),
    )


def _numbers(score: Metric, summary: Mapping[Any, Any], signed: bool) -> str:
    """Return "71.2 [70.1, 72.3]", or why there is no interval."""
    mean, low, high = (score.show(summary[name], signed) for name in ("mean", "low", "high"))
    if summary["n"] == 0:
        return "no result"
    return f"{mean} (1 seed)" if summary["n"] == 1 else f"{mean} [{low}, {high}]"
