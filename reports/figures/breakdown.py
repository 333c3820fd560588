"""Breakdown: scores by size and by occlusion, in panels with a column per group and a row per arm."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.forest import SEEDS, Row, draw_row, marks, notes, seeds_row, span
from skipbench.reports.style import INK, WIDTH, Look, arm_looks, clean_rows
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
TICKS = 4
Group = tuple[str, str, list[Row]]  # title, label of the axis, one row per arm


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


@register_figure("breakdown", title="Scores by size and occlusion", caption=_caption, alt=_alt, below=_below)
def breakdown_figure(study: Frames) -> Figure:
    """Return the scores of each group per arm, and the paired difference of two contrasted groups."""
    panels = {(score, by): _columns(study, score, by) for score, by in measured_breakdowns(study)}
    if not panels:
        raise NothingToShow("There is no score by size or by occlusion to show: no run of this study has one.")
    rows = [row for columns in panels.values() for _, _, column in columns for row in column]
    heights = [FRAME + ROW * len(columns[0][2]) for columns in panels.values()]
    figure = Figure(figsize=(WIDTH, sum(heights) + LEGEND), layout="constrained")
    width = max(map(len, panels.values()))
    parts = figure.subfigures(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    remarks = [_panel(part, *panel, width) for part, panel in zip(parts, panels.items(), strict=True)]
    title = "; ".join(dict.fromkeys(remark for panel in remarks for remark in panel))
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": len(SEEDS)}
    figure.legend(handles=marks(rows, SEEDS), fontsize=9, title=title, title_fontsize=9, **place)
    return figure


def _columns(study: Frames, score: Metric, by: Breakdown) -> list[Group]:
    """Return a column for each measured group, and one for the difference between two contrasted groups."""
    looks, table, runs = arm_looks(study), breakdown(study, by), group_runs(study, by)
    arms = {arm: looks[arm] for arm in study.arms["arm"] if arm in set(table.arm)}
    label = f"{score.title}, lower is better" if score.better == "lower" else score.title
    columns = [
        (group, label, _rows(arms, score, table[table.group == group], runs[runs.group == group]))
        for group in groups(study, by)
    ]
    effects = gap_effects(study, by) if by.contrast else pd.DataFrame()
    if len(effects):
        differences = gaps(study, by).rename(columns={"difference": "value"})
        rows = _rows(arms, score, effects, differences, signed=True)
        columns.append((" \N{MINUS SIGN} ".join(by.groups), f"difference ({difference_unit(score)})", rows))
    return columns


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


def _panel(part: SubFigure, what: tuple[Metric, Breakdown], columns: list[Group], width: int) -> list[str]:
    """Draw one breakdown; its axes start at different values, but all have the same length."""
    score, by = what
    part.suptitle(f"{score.label} by {by.name}", x=0.01, ha="left", fontsize=11, fontweight="bold")
    spans = [span(rows, zero=False) for _, _, rows in columns]
    reach = max(high - low for low, high in spans) / 2
    grid = part.subplots(1, width, squeeze=False)[0]
    remarks = []
    for axes, (title, label, rows), (low, high) in zip(grid, columns, spans, strict=False):
        middle = (low + high) / 2
        _column(axes, title, label, rows, (middle - reach, middle + reach))
        remarks += notes(rows, middle - reach, middle + reach)
    for axes in grid[1:]:
        axes.set_yticklabels([])
    for axes in grid[len(columns) :]:
        axes.set_axis_off()
    return remarks


def _column(axes: Axes, title: str, label: str, rows: list[Row], limits: tuple[float, float]) -> None:
    clean_rows(axes, [row.label for row in rows])
    axes.set_xlim(*limits)
    axes.locator_params(axis="x", nbins=TICKS)
    if limits[0] < 0 < limits[1]:
        axes.axvline(0, color=INK, linewidth=1, zorder=0)
    for position, row in enumerate(rows):
        draw_row(axes, position, row)
    axes.set_title(title, fontweight="normal", fontsize=10, pad=6)
    axes.set_xlabel(label, fontsize=9)


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
