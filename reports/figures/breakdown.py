"""Breakdown: scores by size and by occlusion, in panels with a column per group and a row per arm."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from skipbench.analysis.breakdowns import (
    breakdown,
    definition,
    gap_effects,
    gaps,
    group_runs,
    groups,
    measured_breakdowns,
)
from skipbench.analysis.frames import Frames
from skipbench.analysis.text import listing
from skipbench.bench.records.metrics import Breakdown, Metric
from skipbench.reports.bands import mark_rows
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.forest import SEEDS, Row, draw_row, label_above, marks, notes, pitch, seeds_row, span
from skipbench.reports.looks import Look, arm_looks
from skipbench.reports.style import (
    clean_rows,
    figure_width,
    in_lines,
    in_pages,
    most_height,
    narrow,
    on_top,
    row_height,
    scaled,
    text_color,
)
from skipbench.reports.tables import (
    ARM,
    Column,
    Table,
    difference_columns,
    difference_unit,
    each_seed,
    group_table_name,
    value,
)

ROW, FRAME, LEGEND = 0.36, 1.1, 0.55  # inches: an arm, everything around the arms of a panel, the legend
NARROW_COLUMNS, NARROW_FRAME = 3, 1.5  # of a narrow figure: side by side, and as FRAME
TICKS = 4


@dataclass(frozen=True)
class Group:
    """A column of a breakdown."""

    title: str
    axis: str
    rows: list[Row]  # an arm each
    span: tuple[float, float]  # of the values of all arms

    def of(self, arms: Sequence[str]) -> "Group":
        """Return the column of some arms alone."""
        return replace(self, rows=[row for row in self.rows if row.label in arms])


def _alt(study: Frames) -> str:
    return f"{listing(f'{score.label} by {by.name}' for score, by in measured_breakdowns(study))}, one row per arm."


def _caption(study: Frames) -> str:
    defined = " ".join(dict.fromkeys(definition(study, by) for _, by in measured_breakdowns(study)))
    return (
        f"{defined} All axes of a breakdown have the same length, so that differences can be compared, but each "
        "starts at its own value."
    )


def _below(study: Frames) -> Iterator[Table]:
    for score, by in measured_breakdowns(study):
        yield breakdown_table(study, score, by)
        if by.contrast and len(gap_effects(study, by)):
            yield gap_table(study, score, by)


def _measured(study: Frames) -> list[tuple[Metric, Breakdown]]:
    """Return `measured_breakdowns`. Raises NothingToShow where there is none."""
    if not (found := list(measured_breakdowns(study))):
        raise NothingToShow("There is no score by size or by occlusion to show: no run of this study has one.")
    return found


@register_figure(
    "breakdown", title="Scores by size and occlusion", caption=_caption, alt=_alt, below=_below, needs=_measured
)
def breakdown_figure(study: Frames) -> list[Figure]:
    """Return the scores of each group per arm, and the paired difference of two contrasted groups."""
    panels = {what: _columns(study, *what) for what in _measured(study)}
    longest = max(map(len, panels.values()))
    across = min(NARROW_COLUMNS, longest) if narrow() else longest
    rows = {row.label: row for columns in panels.values() for row in columns[0].rows}
    lines = sum(ceil(len(columns) / across) for columns in panels.values())
    most = ((most_height() - scaled(LEGEND)) / lines - _frame()) / _pitch(list(rows.values()))
    pages = in_pages(list(rows), most)
    return [
        _page({what: [column.of(page) for column in panels[what]] for what in panels}, across) for page in pages
    ]


def _page(panels: Mapping[tuple[Metric, Breakdown], Sequence[Group]], across: int) -> Figure:
    panels = {what: columns for what, columns in panels.items() if columns[0].rows}
    rows = [row for columns in panels.values() for column in columns for row in column.rows]
    heights = [_height(columns, across) for columns in panels.values()]
    figure = Figure(figsize=(figure_width(), sum(heights) + scaled(LEGEND)), layout="constrained")
    parts = figure.subfigures(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    remarks = [_panel(part, *panel, across) for part, panel in zip(parts, panels.items(), strict=True)]
    title = in_lines("; ".join(dict.fromkeys(remark for panel in remarks for remark in panel)), 0.9)
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": len(SEEDS)}
    figure.legend(handles=marks(rows, SEEDS), fontsize=scaled(9), title=title, title_fontsize=scaled(9), **place)
    return figure


def _columns(study: Frames, score: Metric, by: Breakdown) -> list[Group]:
    """Return a column for each measured group, and one for the difference between two contrasted groups."""
    looks, table, runs = arm_looks(study), breakdown(study, by), group_runs(study, by)
    arms = {arm: looks[arm] for arm in study.arms["arm"] if arm in set(table.arm)}
    label = f"{score.title}, lower is better" if score.better == "lower" else score.title
    columns = {
        group: (label, _rows(arms, score, table[table.group == group], runs[runs.group == group]))
        for group in groups(study, by)
    }
    effects = gap_effects(study, by) if by.contrast else pd.DataFrame()
    if len(effects):
        differences = gaps(study, by).rename(columns={"difference": "value"})
        rows = _rows(arms, score, effects, differences, signed=True)
        columns[" \N{MINUS SIGN} ".join(by.groups)] = f"difference ({difference_unit(score)})", rows
    return [Group(title, axis, rows, span(rows, zero=False)) for title, (axis, rows) in columns.items()]


def _rows(
    arms: Mapping[str, Look], score: Metric, table: pd.DataFrame, runs: pd.DataFrame, signed: bool = False
) -> list[Row]:
    """Return a row per arm with its mean beside it, or an empty row where it has no value."""
    summaries = {row["arm"]: row for row in table.to_dict("records")}
    nothing = dict.fromkeys(("mean", "low", "high"), float("nan")) | {"n": 0}
    rows = []
    for arm, look in arms.items():
        summary: Mapping[Any, Any] = summaries.get(arm, nothing)
        row = seeds_row(arm, look, score, runs.loc[runs.arm == arm, "value"], summary, signed)
        rows.append(replace(row, text=score.show(summary["mean"], signed)))
    return rows


def _height(columns: Sequence[Group], across: int) -> float:
    """Return the height of a breakdown whose columns stand in lines of `across`, in inches."""
    rows = columns[0].rows
    return ceil(len(columns) / across) * (_frame() + _pitch(rows) * len(rows))


def _frame() -> float:
    return scaled(NARROW_FRAME if narrow() else FRAME)


def _pitch(rows: Sequence[Row]) -> float:
    return scaled(pitch(rows)) if narrow() else row_height(ROW, [row.label for row in rows])


def _panel(part: SubFigure, what: tuple[Metric, Breakdown], columns: Sequence[Group], across: int) -> list[str]:
    """Draw one breakdown; its axes start at different values, but all have the same length."""
    score, by = what
    part.suptitle(f"{score.label} by {by.name}", x=0.01, ha="left", fontsize=scaled(11), fontweight="bold")
    reach = max(column.span[1] - column.span[0] for column in columns) / 2
    grid = part.subplots(ceil(len(columns) / across), across, squeeze=False)
    remarks = []
    for axes, column in zip(grid.flat, columns, strict=False):
        middle = sum(column.span) / 2
        limits = middle - reach, middle + reach
        _column(axes, column.title, in_lines(column.axis, 0.8 / across), column.rows, limits)
        remarks += notes(column.rows, *limits)
    for axes in grid.flat if narrow() else grid[:, 1:].flat:
        axes.set_yticklabels([])
    if narrow():
        _label_lines(grid, columns[0].rows)
    for axes in grid.flat[len(columns) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        mark_rows(axes, [row.label for row in columns[0].rows])
    return remarks


def _label_lines(grid: Any, rows: Sequence[Row]) -> None:
    """Write the arms above their rows, across all columns of a line."""
    for axes in grid[:, 0]:
        on_top(axes)
        label_above(axes, [replace(row, text="") for row in rows])
    for axes in grid.flat:
        axes.set_ylim(len(rows) - 0.5, -1.0)


def _column(axes: Axes, title: str, label: str, rows: list[Row], limits: tuple[float, float]) -> None:
    clean_rows(axes, [row.label for row in rows])
    axes.set_xlim(*limits)
    axes.locator_params(axis="x", nbins=2 if narrow() else TICKS)
    if limits[0] < 0 < limits[1]:
        axes.axvline(0, color=text_color(), linewidth=1, zorder=0)
    for position, row in enumerate(rows):
        draw_row(axes, position, row)
    axes.set_title(title, fontweight="normal", fontsize=scaled(10), pad=scaled(6))
    axes.set_xlabel(label, fontsize=scaled(9))


def breakdown_table(study: Frames, score: Metric, by: Breakdown) -> Table:
    """Return each arm's mean score and its t-interval over seeds for each size or visibility."""
    table = breakdown(study, by)
    frame = table.pivot(index="arm", columns="group", values=["n", "mean", "low", "high"])
    frame.columns = frame.columns.map(lambda pair: f"{pair[1]} {pair[0]}")
    frame, columns = frame.reindex(table["arm"].unique()).reset_index(), [ARM]
    for group in groups(study, by):
        ends = frame[[f"{group} low", f"{group} high"]].itertuples(index=False, name=None)
        shown = [f"{score.show(low)} to {score.show(high)}" if pd.notna(low) else "–" for low, high in ends]
        frame[f"{group} interval"] = shown
        columns += [
            value(f"{group} mean", score, f"{group} ({score.unit})"),
            Column(f"{group} interval", "95 %", number=True),
        ]
    caption = f"{score.title} by {by.name}: mean over seeds and its 95 % t-interval. {definition(study, by)}"
    return Table(group_table_name(score, by), caption, frame, tuple(columns), folded=True)


def gap_table(study: Frames, score: Metric, by: Breakdown) -> Table:
    """Return each arm's difference between the two groups of `by`, paired by seed."""
    frame = gap_effects(study, by)
    frame["seeds"] = each_seed(frame["arm"], gaps(study, by), "difference", score, signed=True)
    first, second = by.groups
    caption = f"{score.label}, {first} minus {second}, paired by seed."
    return Table(
        f"{group_table_name(score, by)}-gap", caption, frame, (ARM, *difference_columns(score)), folded=True
    )
