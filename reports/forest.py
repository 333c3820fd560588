"""The forest plot: one row per arm with all its measurements, their centre, their interval and the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skipbench.bench.records.metrics import Metric
from skipbench.reports.looks import Look, muted
from skipbench.reports.style import (
    clean_rows,
    figure_width,
    fitted,
    in_lines,
    in_pages,
    line_letters,
    most_height,
    narrow,
    scaled,
    text_color,
)

ROW, FRAME = 0.42, 1.5  # inches: a row, and everything around the rows
ABOVE, LINE = 0.14, 0.17  # inches, of a narrow figure: from a row up to its label, and a line of that
TICKS = 8  # more than in other figures, whose axes are narrower
DESCRIBED = 3  # with fewer measurements an interval is only descriptive, and dotted
SEEDS = ("one seed", "mean", "95 % t-interval")  # what the marks of `seeds_row` stand for
DENSE = 20  # more measurements are drawn as a cloud instead of one by one


Span = tuple[float, float]  # of an axis, in its unit


@dataclass(frozen=True)
class Row:
    """One row, in the units of the axis. Missing numbers are NaN, and `text` says so."""

    label: str
    look: Look
    values: Sequence[float]
    center: float
    low: float
    high: float
    text: str  # the numbers to the right of the row
    arms: tuple[str, ...] = ()  # that it is about


def seeds_row(
    label: str, look: Look, score: Metric, runs: pd.Series, summary: Mapping[Any, Any], signed: bool = False
) -> Row:
    """Return the row of one summary (n, mean, low, high) and its runs, in the unit of `score`."""
    mean, low, high = (score.show(summary[name], signed) for name in ("mean", "low", "high"))
    texts = {0: "no result", 1: f"{mean} (1 seed)"}
    return Row(
        label=label,
        look=look,
        values=(runs * score.scale).tolist(),
        center=summary["mean"] * score.scale,
        low=summary["low"] * score.scale,
        high=summary["high"] * score.scale,
        text=texts.get(summary["n"], f"{mean} [{low}, {high}]"),
        arms=(label,),
    )


@dataclass(frozen=True)
class Forest:
    """Rows on one axis; with `zero` it includes zero, and a line marks it; a `band` is shaded around its `line`."""

    title: str
    axis: str
    rows: Sequence[Row]
    zero: bool = False
    band: tuple[float, float] | None = None

    @property
    def line(self) -> float | None:
        """The value at which nothing differs, where the axis has one: of a band in ratios it is 1."""
        return 0.0 if self.zero else 1.0 if self.band else None


def forest(
    rows: Sequence[Row], title: str, axis: str, names: tuple[str, str, str], zero: bool = False
) -> list[Figure]:
    """Return the forest plot of `rows`; `names` label a measurement, the centre and the interval."""
    return forests([Forest(title, axis, rows, zero)], names)


def forests(panels: Sequence[Forest], names: tuple[str, str, str]) -> list[Figure]:
    """Return forest plots below one another, on as many pages as they take in a paper."""
    pages, left = list[list[tuple[Forest, Span]]]([]), 0.0
    for panel in panels:
        limits = span(panel.rows, panel.zero)
        for rows in in_pages(panel.rows, (most_height() / scaled(1) - FRAME) / pitch(panel.rows)):
            part = replace(panel, rows=rows)
            if not pages or _height(part) > left:
                pages.append([])
                left = most_height()
            pages[-1].append((part, limits))
            left -= _height(part)
    return [_page(page, names) for page in pages]


def _height(panel: Forest) -> float:
    return scaled(FRAME + pitch(panel.rows) * len(panel.rows))


def _page(panels: Sequence[tuple[Forest, Span]], names: tuple[str, str, str]) -> Figure:
    heights = [_height(panel) for panel, _ in panels]
    figure = Figure(figsize=(figure_width(), sum(heights)), layout="constrained")
    grid = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
    for axes, (panel, limits) in zip(grid, panels, strict=True):
        _draw(axes, panel, names, limits)
    return figure


def _draw(axes: Axes, panel: Forest, names: tuple[str, str, str], limits: Span) -> None:
    rows = panel.rows
    clean_rows(axes, [""] * len(rows) if narrow() else [row.label for row in rows])
    axes.set_xlim(*limits)
    axes.locator_params(axis="x", nbins=TICKS)
    if panel.line is not None:
        axes.axvline(panel.line, color=text_color(), linewidth=1, zorder=0)
    if panel.band:
        axes.axvspan(*panel.band, color=muted(), alpha=0.15, zorder=0)
    for position, row in enumerate(rows):
        draw_row(axes, position, replace(row, text="") if narrow() else row)
    if narrow():
        label_above(axes, rows)
        axes.set_ylim(len(rows) - 0.5, -1.0)
    else:
        _beside(axes, -0.85, f"{names[1]} [interval]", muted())
    axes.set_title(in_lines(panel.title, 0.8), pad=scaled(30))
    axes.set_xlabel("\n".join([panel.axis, *map(in_lines, filter(None, ["; ".join(notes(rows, *limits))]))]))
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.0), "borderaxespad": 0.2}
    axes.legend(
        handles=marks(rows, names), ncols=3, fontsize=scaled(9), handletextpad=0.5, columnspacing=1.5, **place
    )


def _labels(rows: Sequence[Row]) -> list[str]:
    """Return the labels that stand above their rows, left of their texts."""
    room = line_letters() - max((len(row.text) for row in rows), default=0) - 4
    return fitted([row.label for row in rows], max(12, room), 3)


def pitch(rows: Sequence[Row]) -> float:
    """Return the height of a row."""
    return 0.28 + LINE * max(label.count("\n") + 1 for label in _labels(rows)) if narrow() and rows else ROW


def label_above(axes: Axes, rows: Sequence[Row]) -> None:
    """Write each row's label above it, beyond the axes where it is long, and its text on the right."""
    place: dict[str, Any] = {
        "xycoords": axes.get_yaxis_transform(),
        "textcoords": "offset points",
        "va": "bottom",
        "size": scaled(9),
    }
    up = scaled(72 * ABOVE) / 2
    for position, (row, label) in enumerate(zip(rows, _labels(rows), strict=True)):
        written = axes.annotate(label, (0, position), (0, up), color=text_color(), **place)
        written.set_in_layout(False)  # or it would take the room of other panels
        color = muted() if isnan(row.center) else text_color()
        axes.annotate(row.text, (1, position), (0, up), ha="right", color=color, **place)


def notes(rows: Sequence[Row], low: float, high: float) -> list[str]:
    """Return remarks on what could be misread: dotted intervals, arrowheads, measurements outside the axis."""
    intervals = [row for row in rows if not isnan(row.low)]
    values = [value for row in rows for value in row.values]
    outside = sum(not low <= value <= high for value in values)
    dotted = any(len(row.values) < DESCRIBED for row in intervals)
    cut = any(row.low < low or row.high > high for row in intervals)
    remarks = {
        "dotted: interval over 2 measurements, descriptive only": dotted,
        "arrow: interval continues beyond the axis": cut,
        f"{outside} of {len(values):,} measurements lie outside the axis": outside > 0,
    }
    return [remark for remark, holds in remarks.items() if holds]


def span(rows: Sequence[Row], zero: bool) -> Span:
    """Return the limits of the axis: all measurements, but of a dense row only those near its middle 98 %.

    Intervals may extend beyond it, with an arrowhead: those of two seeds would squeeze everything else to a dot.
    """
    kept = np.concatenate([*(_kept(row) for row in rows), np.zeros(1 if zero else 0)])
    if not kept.size:
        return 0.0, 1.0
    low, high = float(kept.min()), float(kept.max())
    room = 0.15 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _kept(row: Row) -> np.ndarray:
    values = np.asarray(row.values, dtype=float)
    if len(values) <= DENSE:
        return values
    low, high = np.quantile(values, [0.01, 0.99])
    kept: np.ndarray = values[(values >= low - 0.25 * (high - low)) & (values <= high + 0.25 * (high - low))]
    return kept


def draw_row(axes: Axes, position: int, row: Row) -> None:
    """Draw a row's measurements below its centre and interval, and its text to the right of `axes`."""
    color = row.look.color
    if len(row.values) > DENSE:
        shift = np.random.default_rng(0).uniform(0.14, 0.36, len(row.values))
        cloud: dict[str, Any] = {"markersize": scaled(3), "alpha": 0.35, "markeredgewidth": 0, "rasterized": True}
        axes.plot(row.values, position + shift, "o", color=color, **cloud)
    else:
        axes.plot(
            row.values, [position + 0.24] * len(row.values), "|", color=color, markersize=scaled(8), alpha=0.8
        )
    if not isnan(row.low):
        _draw_interval(axes, position, row)
    axes.plot([row.center], [position], **row.look.point(8))
    _beside(axes, position, row.text, muted() if isnan(row.center) else text_color())


def _beside(axes: Axes, position: float, text: str, color: str) -> None:
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    axes.annotate(text, (1, position), (scaled(8), 0), color=color, va="center_baseline", **place)


def _draw_interval(axes: Axes, position: int, row: Row) -> None:
    left, right = axes.get_xlim()
    inside = max(row.low, left), min(row.high, right)
    line: dict[str, Any] = {"linestyle": ":", "linewidth": 1.5} if len(row.values) < DESCRIBED else {"linewidth": 2}
    axes.plot(inside, [position, position], color=row.look.color, alpha=0.65, zorder=1, **line)
    for end, edge, arrow in ((row.low, left, "<"), (row.high, right, ">")):
        marker = arrow if not left <= end <= right else "|"
        place = edge if marker == arrow else end
        axes.plot([place], [position], marker, color=row.look.color, markersize=scaled(7), clip_on=False)


def marks(rows: Sequence[Row], names: tuple[str, str, str]) -> list[Line2D]:
    """Return the legend's entries for what `rows` show: a measurement, the centre, an interval."""
    measured, center, interval = names
    dense = any(len(row.values) > DENSE for row in rows)
    mark: dict[str, Any] = (
        {"marker": "o", "markersize": scaled(3)} if dense else {"marker": "|", "markersize": scaled(8)}
    )
    handles = [
        Line2D([], [], color=muted(), linestyle="none", label=measured, **mark),
        Line2D([], [], color=muted(), marker="o", markersize=scaled(7), linestyle="none", label=center),
    ]
    if not all(isnan(row.low) for row in rows):
        handles.append(Line2D([], [], color=muted(), linewidth=2, label=interval))
    return handles
