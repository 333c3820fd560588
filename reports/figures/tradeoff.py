"""Accuracy against what it costs, with the Pareto front."""

from collections.abc import Iterable
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from analysis.frames import Frames
from analysis.summaries import COSTS, scores, tradeoff
from analysis.text import inside
from bench.metrics import Metric
from reports.errors import ReportError
from reports.figures.scores import score_of
from reports.style import MUTED, TICKS, WIDTH, Look, arm_looks, fitted

LEGEND_LETTERS = 125  # of the legend on one line
LINE = 0.2  # inches


def pareto_figure(study: Frames) -> Figure:
    """Return mean score against MACs and against latency: one panel for each that was measured."""
    score, looks = score_of(study), arm_looks(study)
    panels = {key: points for key in COSTS if len(points := tradeoff(study, score, key))}
    if not panels:
        raise ReportError("there is no trade-off to show: no arm has both a score and a cost or a latency.")
    rows, columns = _legend_shape(looks)
    figure = Figure(figsize=(WIDTH, 3.9 + LINE * rows), layout=ConstrainedLayoutEngine(w_pad=0.12))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    for axes, (key, points) in zip(grid[0], panels.items(), strict=True):
        _panel(axes, study, score, study.metric(key), points, looks)
    grid[0][0].set_ylabel(score.title)
    front, *arms = grid[0][0].get_legend_handles_labels()[0]
    seed = Line2D([], [], color=MUTED, marker="_", linestyle="none", label="one seed")
    figure.legend(handles=[*arms, front, seed], loc="outside lower center", ncols=columns, fontsize=9)
    return figure


def _legend_shape(names: Iterable[str]) -> tuple[int, int]:
    """Return the rows (in lines) and columns of a legend that holds all names, the front and the seeds."""
    entries = [*map(fitted, names), "Pareto front of the means", "one seed"]
    widest = max(len(line) for entry in entries for line in entry.split("\n"))
    columns = min(len(entries), LEGEND_LETTERS // (widest + 6))
    lines = max(entry.count("\n") + 1 for entry in entries)
    return lines * ceil(len(entries) / columns), columns


def _panel(
    axes: Axes, study: Frames, score: Metric, cost: Metric, points: pd.DataFrame, looks: dict[str, Look]
) -> None:
    runs = scores(study, score.key)
    front = points[points.on_front].sort_values("cost")
    axes.step(
        front.cost * cost.scale,
        front.score * score.scale,
        where="post",
        color=MUTED,
        linestyle="--",
        linewidth=1.2,
        label="Pareto front of the means",
        zorder=1,
    )
    for point in points.to_dict("records"):
        look, x, y = looks[point["arm"]], point["cost"] * cost.scale, point["score"] * score.scale
        seeds = runs.loc[runs.arm == point["arm"], "value"] * score.scale
        axes.plot([x] * len(seeds), seeds, "_", color=look.color, markersize=7, alpha=0.7, zorder=1)
        axes.plot([x], [y], **look.point(9, label=fitted(point["arm"])))
        if point["at_least"]:
            axes.annotate("≥", (x, y), xytext=(7, 0), textcoords="offset points", va="center", color=look.color)
    axes.set_title(f"{score.label} against {inside(cost.label)}")
    axes.set_xlabel(cost.title)
    axes.locator_params(axis="x", nbins=TICKS)
    axes.margins(0.1)
