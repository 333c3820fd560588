"""Pareto: accuracy against what it costs, and which arms are on the front."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames
from skipbench.analysis.statistics import MIN_PAIRS
from skipbench.analysis.summaries import COSTS, accuracy, axes_of, measured_by_arm, scores, tradeoff
from skipbench.analysis.text import inside
from skipbench.bench.records.metrics import Metric
from skipbench.display import shortened
from skipbench.reports.charts import SHORT, Chart, appearance, arm_numbers, axis
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.figures.accuracy import score_of
from skipbench.reports.forest import DENSE
from skipbench.reports.looks import Look, arm_looks, muted
from skipbench.reports.numbering import number_points
from skipbench.reports.style import LINE, TICKS, figure_width, legend_labels, legend_shape, narrow, scaled
from skipbench.reports.tables import ARM, Column, Table, value

FRONT = "Pareto front of the means"
HEIGHT = 3.9  # inches: a panel
NUMBERED = 16  # more arms have their numbers beside their points


def _known(study: Frames) -> dict[str, pd.DataFrame]:
    """Return the points of the panel of each cost. Raises NothingToShow where there is none."""
    score = score_of(study)
    panels = {key: points for key in COSTS if len(points := tradeoff(study, score, key))}
    if not panels:
        raise NothingToShow("There is no trade-off to show: no arm has both a score and a cost or a latency.")
    return panels


@register_figure(
    "pareto",
    title="Accuracy against cost",
    caption="Mean score against cost. An arm is off the front if another one costs no more, scores no worse, and "
    "is better in at least one of the two. The front rests on the means alone and is as uncertain as they are.",
    alt=lambda study: f"Mean {score_of(study).label} against cost, one point per arm.",
    below=lambda study: [tradeoff_table(study)],
    chart=lambda study: scatter_chart(study),
    needs=_known,
)
def pareto_figure(study: Frames) -> Figure:
    """Return the mean score against MACs and against latency, a panel for each that was measured."""
    score, looks, panels = score_of(study), arm_looks(study), _known(study)
    known = set().union(*(points["arm"] for points in panels.values()))
    looks = {arm: look for arm, look in looks.items() if arm in known}
    numbers = {arm: str(arm_numbers(study)[arm] + 1) for arm in looks} if len(looks) > NUMBERED else {}
    labels = legend_labels([*(f"{numbers[arm]}  {arm}" if numbers else arm for arm in looks), FRONT])
    columns, lines = legend_shape([*labels, "one seed"])
    down, across = (len(panels), 1) if narrow() else (1, len(panels))
    size = (figure_width(), scaled(HEIGHT * (0.8 if narrow() else 1) * down + LINE * lines))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=scaled(0.12), h_pad=scaled(0.06)))
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes, (key, points) in zip(grid.flat, panels.items(), strict=True):
        _panel(axes, study, score, study.metric(key), points, looks)
    for axes in grid[:, 0]:
        axes.set_ylabel(score.title)
    handles: list[Any] = [Line2D([], [], **look.point(9)) for look in looks.values()]
    handles += [Line2D([], [], color=muted(), linestyle="--", linewidth=1.2)]
    handles += [Line2D([], [], color=muted(), marker="_", linestyle="none")]
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "fontsize": scaled(9)}
    figure.legend(handles, [*labels, "one seed"], **place)
    if numbers:
        figure.draw_without_rendering()  # places the axes
        for axes, (key, points) in zip(grid.flat, panels.items(), strict=True):
            _number(axes, points, numbers, study.metric(key).scale, score.scale)
    return figure


def _number(axes: Axes, points: pd.DataFrame, numbers: dict[str, str], across: float, up: float) -> None:
    """Write each arm's number beside its point, where that is free; where it is not, the mark says which it is."""
    rows = points.to_dict("records")
    places = {numbers[row["arm"]]: (row["cost"] * across, row["score"] * up) for row in rows}
    number_points(axes, places, [numbers[row["arm"]] for row in rows if row["at_least"]])


def _panel(
    axes: Axes, study: Frames, score: Metric, cost: Metric, points: pd.DataFrame, looks: dict[str, Look]
) -> None:
    runs = scores(study, score.key)
    front = points[points.on_front].sort_values("cost")
    axes.step(
        front.cost * cost.scale,
        front.score * score.scale,
        where="post",
        color=muted(),
        linestyle="--",
        linewidth=1.2,
        zorder=1,
    )
    for point in points.to_dict("records"):
        look, x, y = looks[point["arm"]], point["cost"] * cost.scale, point["score"] * score.scale
        seeds = runs.loc[runs.arm == point["arm"], "value"] * score.scale
        mark: dict[str, Any] = {
            "markersize": scaled(7),
            "alpha": 0.7,
            "zorder": 1,
            "rasterized": len(seeds) > DENSE,
        }
        axes.plot([x] * len(seeds), seeds, "_", color=look.color, **mark)
        axes.plot([x], [y], **look.point(9))
        if point["at_least"]:
            axes.annotate(
                "≥", (x, y), xytext=(scaled(7), 0), textcoords="offset points", va="center", color=look.color
            )
    axes.set_title(f"{score.label} against {inside(cost.label)}")
    axes.set_xlabel(cost.title)
    axes.locator_params(axis="x", nbins=TICKS)
    axes.margins(0.1)


def scatter_chart(study: Frames) -> Chart:
    """Return every arm's scores and costs, of which a reader chooses two."""
    numbers, looks, arms = arm_numbers(study), arm_looks(study), list(study.arms["arm"])
    known = {
        metric: (table * metric.scale).T.to_dict("list")
        for metric in axes_of(study)
        if len(table := measured_by_arm(study, metric.key))
    }
    points = [
        {
            "label": arm,
            "short": short,
            "arms": [numbers[arm]],
            **appearance(looks[arm]),
            "values": {metric.key: ends for metric, table in known.items() if (ends := table.get(arm))},
        }
        for arm, short in zip(arms, shortened(arms, SHORT), strict=True)
    ]
    x = next((key for key in COSTS if any(metric.key == key for metric in known)), "")
    facts = {"points": points, "axes": list(map(axis, known)), "x": x, "y": score_of(study).key}
    return Chart("scatter", facts)


def tradeoff_table(study: Frames) -> Table:
    """Return score and costs side by side, and whether each arm is on their fronts."""
    score = score_of(study)
    frame = accuracy(study, score.key)[["arm", "mean"]].dropna()
    columns: list[Column] = [ARM, value("mean", score, f"Mean {score.title}")]
    for key in COSTS:
        points = tradeoff(study, score, key)
        if len(points):
            front, beaten = f"{key}/on_front", f"{key}/beaten"
            points = points.rename(columns={"cost": key, "on_front": front, "beaten": beaten})
            frame = frame.merge(points[["arm", key, front, beaten]], on="arm", how="left")
            columns += [
                value(key, study.metric(key)),
                Column(front, "On the Pareto front", _yes),
                Column(beaten, "Significantly worse", _yes),
            ]
    caption = (
        "Mean score against cost. Significantly worse: an arm that costs no more has a better score at the 5 % "
        "level in a one-sided t-test paired by seed, Holm-corrected over all such pairs; it takes "
        f"{MIN_PAIRS} seeds."
    )
    frame["at_least"] = frame["arm"].isin(at_least(study))
    return Table("tradeoff", caption, frame, tuple(columns))


def _yes(flag: Any) -> str:
    return "yes" if flag else "no"
