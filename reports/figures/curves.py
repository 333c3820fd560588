"""Curves: the training loss and the headline validation score of each arm over the images it has seen."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from skipbench.analysis.curves import course, learned, mean_course, validated
from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import why_empty
from skipbench.analysis.text import count, inside
from skipbench.bench.errors import StoreError
from skipbench.bench.records.metrics import Metric
from skipbench.display import shortened
from skipbench.reports.charts import SHORT, Chart, appearance, arm_numbers
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.looks import Look, arm_looks, muted
from skipbench.reports.style import (
    LINE,
    figure_width,
    in_pages,
    legend_labels,
    legend_shape,
    most_height,
    narrow,
    scaled,
)
from skipbench.reports.tables import ARM, Column, Table, value

ARMS = 8  # in a row of panels: more could not be told apart
LOSS = Metric("loss", "Training loss", better="lower", digits=4)
TICKS, STEPS = 6, (1, 2, 2.5, 5, 10)  # on each axis
MARKS = 6  # on the line of an arm with many points
TRAININGS = 200  # of which a page shows each
DECADES = 20  # a loss that falls by such a factor is drawn on a logarithmic axis


def _alt(study: Frames) -> str:
    first, *others = (metric.label for metric in _panels(study))
    what = " and ".join([first, *map(inside, others)])
    return f"{what} of {count(len(learned(study)), 'arm')} over images seen."


def _caption(study: Frames) -> str:
    grey = " Grey: the arms of the other rows." if len(learned(study)) > ARMS else ""
    return f"One line per arm, the mean over its seeds; thin, each seed. The loss is a mean over steps.{grey}"


def _learned(study: Frames) -> pd.DataFrame:
    """Return `learned`. Raises NothingToShow where there is no curve, or one that cannot be read."""
    none = "There are no learning curves to show:"
    try:
        table = learned(study)
    except StoreError as error:
        raise NothingToShow(f"{none} {error}") from error
    if table.empty:
        raise NothingToShow(why_empty(study, "train") or f"{none} no training of this study has kept one.")
    return table


@register_figure(
    "curves",
    title="Learning curves",
    caption=_caption,
    alt=_alt,
    below=lambda study: [curves_table(study)],
    chart=lambda study: lines_chart(study),
    needs=_learned,
)
def curves_figure(study: Frames) -> list[Figure]:
    """Return a panel for the loss and one for the score, in rows of at most ARMS arms; in a paper on pages."""
    arms = list(_learned(study)["arm"])
    looks, panels = arm_looks(study), _panels(study)
    named = dict(zip(arms, zip(legend_labels(arms), [looks[arm] for arm in arms], strict=True), strict=True))
    down, across = (len(panels), 1) if narrow() else (1, len(panels))
    rows = [{arm: named[arm] for arm in row} for row in in_pages(arms, ARMS)]
    shapes = [legend_shape([name for name, _ in row.values()], most=2 if narrow() else 4) for row in rows]
    heights = [scaled(3.2 * (0.8 if narrow() else 1) * down + LINE * lines + 0.2) for _, lines in shapes]
    pages = in_pages(list(zip(rows, heights, shapes, strict=True)), most_height() / max(heights))
    figures = []
    for page in pages:
        tall = [height for _, height, _ in page]
        layout = ConstrainedLayoutEngine(w_pad=scaled(0.1), h_pad=scaled(0.06))
        figures.append(Figure(figsize=(figure_width(), sum(tall)), layout=layout))
        parts = figures[-1].subfigures(len(page), squeeze=False, height_ratios=tall)[:, 0]
        for part, (row, _, (columns, _)) in zip(parts, page, strict=True):
            grid = part.subplots(down, across, squeeze=False).flat
            for axes, (metric, points) in zip(grid, panels.items(), strict=True):
                _panel(axes, metric, points, row)
            handles = grid[0].get_legend_handles_labels()[0]
            part.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=scaled(9))
    return figures


def lines_chart(study: Frames) -> Chart:
    """Return the courses of loss and score, a mean per arm and, of few trainings, each seed."""
    numbers, looks = arm_numbers(study), arm_looks(study)
    short = dict(zip(numbers, shortened(list(numbers), SHORT), strict=True))
    panels = []
    for metric, points in _panels(study).items():
        points = points.assign(value=points["value"].astype(float) * metric.scale)
        low, high = points["value"].min(), points["value"].max()
        each = points[["arm", "seed"]].drop_duplicates().groupby("arm").size()
        lines = [
            {
                "label": arm,
                "short": short[str(arm)],
                "arms": [numbers[str(arm)]],
                **appearance(looks[str(arm)]),
                "x": mean["images"].tolist(),
                "y": mean["value"].tolist(),
                "seeds": [
                    [run["images"].tolist(), run["value"].tolist()]
                    for _, run in points[points["arm"] == arm].groupby("seed")
                ]
                if each[arm] > 1 and each.sum() <= TRAININGS
                else [],
            }
            for arm, mean in mean_course(points).groupby("arm", sort=False)
        ]
        panels.append({"title": metric.title, "log": bool(0 < low * DECADES < high), "lines": lines})
    return Chart("lines", {"panels": panels})


def _panels(study: Frames) -> dict[Metric, pd.DataFrame]:
    """Return the points of each panel that has some."""
    score = validated(study)
    points = {metric: course(study, metric.key) for metric in (LOSS, *([score] if score else []))}
    return {metric: table for metric, table in points.items() if len(table)}


def _panel(axes: Axes, metric: Metric, points: pd.DataFrame, looks: dict[str, tuple[str, Look]]) -> None:
    """Draw the arms in `looks` over those of other rows, which show where these are among all."""
    points = points.assign(value=points["value"].astype(float) * metric.scale)
    for arm, mean in mean_course(points).groupby("arm", sort=False):
        if arm not in looks:
            axes.plot(mean["images"], mean["value"], color=muted(), linewidth=0.7, alpha=0.25, zorder=1)
            continue
        (name, look), seeds = looks[str(arm)], points[points["arm"] == arm].groupby("seed")
        for _, run in seeds if seeds.ngroups > 1 else ():
            axes.plot(run["images"], run["value"], color=look.color, linewidth=0.7, alpha=0.45, zorder=2)
        every = max(1, len(mean) // MARKS)
        first = list(looks).index(str(arm)) * every // len(looks)  # so that marks of different arms stay apart
        line: dict[str, Any] = {"linestyle": "-", "linewidth": 1.6, "markevery": (first, every), "zorder": 3}
        axes.plot(mean["images"], mean["value"], **{**look.point(6, label=name), **line})
    axes.set_title(metric.title)
    axes.set_xlabel("images seen")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(TICKS, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda images, _: f"{images:,.0f}"))
    _scale(axes, points["value"])


def _scale(axes: Axes, values: pd.Series) -> None:
    """Give the axis of a loss that falls far a logarithmic scale, with numbers that are written out."""
    low, high = values.min(), values.max()
    if not 0 < low * DECADES < high:
        axes.yaxis.set_major_locator(MaxNLocator(TICKS, steps=STEPS))
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 1e3 * low else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def curves_table(study: Frames) -> Table:
    """Return where the loss of each arm began and ended, and its best validation score."""
    frame, score = learned(study), validated(study)
    columns = [ARM, Column("seeds", "Seeds", number=True)]
    columns += [value("first", LOSS, "First loss"), value("last", LOSS, "Last loss")]
    if score and frame["best"].notna().any():
        columns += [value("best", score, f"Best {inside(score.title)}")]
        columns += [Column("at", "After images", lambda images: f"{images:,.0f}", number=True)]
    caption = (
        "Learning curves, means over seeds: the loss over the first and the last steps that were recorded, and "
        "each seed's best validation with the images seen by then."
    )
    return Table("curves", caption, frame, tuple(columns), folded=True)
