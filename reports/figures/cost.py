"""Cost: parameters and MACs as stacked bars, by part of the network."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import parts, why_empty
from skipbench.bench.records import PARTS
from skipbench.bench.records.metrics import Metric
from skipbench.reports.bands import mark_rows
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.looks import PART_COLORS, ground, on_ground
from skipbench.reports.style import (
    TICKS,
    clean_rows,
    figure_width,
    in_lines,
    in_pages,
    legend_shape,
    most_height,
    narrow,
    row_height,
    scaled,
)
from skipbench.reports.tables import ARM, Table, value

DRAWN = ("params", "macs")
ROW = 0.32  # inches: a bar


def _counted(study: Frames) -> dict[str, pd.DataFrame]:
    """Return the counts by part of each quantity that is drawn. Raises NothingToShow where there are none."""
    tables = {quantity: table for quantity in DRAWN if len(table := parts(study, quantity))}
    if not tables:
        raise NothingToShow(why_empty(study, "cost") or "There is no cost to show by part.")
    return tables


@register_figure(
    "cost",
    title="Parameters, MACs and bytes by part",
    caption="Parameters and MACs for one image by part of the network: all parts, and all but the encoder.",
    alt="Parameters and MACs of each arm, stacked by encoder, lateral, fusion, decoder and head.",
    below=lambda study: [parts_table(study, name) for name in (*DRAWN, "bytes") if len(parts(study, name))],
    needs=_counted,
)
def cost_figure(study: Frames) -> list[Figure]:
    """Return parameters and MACs per arm by part: on the left all parts, on the right all but the encoder."""
    tables = _counted(study)
    arms = list(dict.fromkeys(arm for table in tables.values() for arm in table.arm))
    free = (most_height() - scaled(0.7)) / len(tables) - scaled(0.9)
    return [_page(study, tables, rows) for rows in in_pages(arms, free / row_height(ROW, arms))]


def _page(study: Frames, tables: dict[str, pd.DataFrame], arms: Sequence[str]) -> Figure:
    size = (figure_width(), scaled(0.7) + (scaled(0.9) + row_height(ROW, arms) * len(arms)) * len(tables))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=scaled(0.08)))
    grid = figure.subplots(len(tables), 2, squeeze=False)
    for (whole, rest), (quantity, table) in zip(grid, tables.items(), strict=True):
        counts = table.pivot(index="arm", columns="part", values="value")
        total = study.metric(f"{quantity}/total")
        unsure = at_least(study) if total.counted else set()
        _stack(whole, total, total.title, counts, arms, unsure)
        others = counts.drop(columns="encoder", errors="ignore")
        _stack(rest, total, f"{total.title} without the encoder", others, arms, unsure)
        clean_rows(whole, arms)
        clean_rows(rest, [""] * len(arms))
        mark_rows(whole, arms)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=legend_shape(labels)[0], fontsize=scaled(9))
    return figure


def _stack(
    axes: Axes, total: Metric, title: str, counts: pd.DataFrame, arms: Sequence[str], unsure: set[str]
) -> None:
    """Draw a bar for each of `arms` from the counts (arm x part), its sum at the end; all pages have one scale.

    Parts that were not counted have none. The sum of an arm in `unsure` is a lower bound.
    """
    longest = counts.sum(axis=1).max() * total.scale
    counts = counts.reindex(list(arms))
    left = pd.Series(0.0, index=counts.index)
    for part in (part for part in PARTS if part in counts):
        width = counts[part].fillna(0) * total.scale
        bar: dict[str, Any] = {
            "color": on_ground(PART_COLORS[part]),
            "edgecolor": ground(),
            "linewidth": 0.6,
            "label": part,
        }
        axes.barh(range(len(counts)), width, left=left, height=0.68, **bar)
        left = left + width
    for row, (arm, end) in enumerate(left.items()):
        sign = "≥ " if arm in unsure else ""
        axes.text(end, row, f" {sign}{end:,.{total.digits}f}", va="center", fontsize=scaled(9))
    axes.set_xlabel(in_lines(title, 0.33))
    axes.locator_params(axis="x", nbins=TICKS // 2 if narrow() else TICKS)
    axes.set_xlim(0, longest * (1.45 if narrow() else 1.16) or 1)


def parts_table(study: Frames, quantity: str) -> Table:
    """Return the share of each part in an arm's parameters or MACs; the CSV has the counts too."""
    total = study.metric(f"{quantity}/total")
    rows = parts(study, quantity)
    present = [part for part in PARTS if part in set(rows["part"])]
    counts = rows.pivot(index="arm", columns="part", values="value")[present]
    shares = rows.pivot(index="arm", columns="part", values="share")[present].add_suffix(" share")
    sums = counts.sum(axis=1).rename("sum")
    frame = pd.concat([sums, counts, shares], axis=1).reindex(rows["arm"].unique()).reset_index()
    frame["at_least"] = frame["arm"].isin(at_least(study))
    share = Metric("share", "share", "%", scale=100, digits=2)
    columns = (ARM, value("sum", total), *(value(f"{part} share", share, f"{part} (%)") for part in present))
    return Table(f"parts-{quantity}", f"{total.label}: share of each part.", frame, columns, folded=True)
