"""Critical difference: mean ranks of arms over all tasks and datasets of a run, and which are not told apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.ranking import over_studies
from skipbench.analysis.statistics.ranks import CriticalDifference
from skipbench.bench.records.metrics import Metric
from skipbench.reports.bands import mark_rows
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.looks import Look, arm_looks, muted
from skipbench.reports.style import (
    clean_rows,
    figure_width,
    in_lines,
    in_pages,
    most_height,
    row_height,
    scaled,
    text_color,
)
from skipbench.reports.tables import ARM, Table, value

ROW, FRAME = 0.3, 1.2  # inches: an arm or a group, and everything around them


def ranked(study: Frames) -> tuple[list[str], CriticalDifference]:
    """Return the arms and how they rank over the run that `study` is part of.

    Raises NothingToShow where too few tasks and datasets have scored them.
    """
    found = over_studies(study.run)
    if isinstance(found, str):
        raise NothingToShow(found)
    return found


def _caption(study: Frames) -> str:
    _, found = ranked(study)
    p = "p < 0.0001" if found.p < 1e-4 else f"p = {found.p:.4f}"
    return (
        f"Mean rank of each arm over {found.blocks} tasks or datasets, by mean headline score. A bar joins arms "
        f"whose ranks differ by less than Nemenyi's critical difference, {found.distance:.2f} (Demšar 2006): they "
        f"are not told apart. Friedman's test of whether any arm differs: {p}. Both are made for many datasets."
    )


@register_figure(
    "critical_difference",
    title="Ranks over all tasks and datasets",
    caption=_caption,
    alt=lambda study: f"Mean rank of {len(ranked(study)[0])} arms, and which of them are not told apart.",
    below=lambda study: [ranks_table(study)],
    of_run=True,
    needs=ranked,
)
def critical_difference_figure(study: Frames) -> list[Figure]:
    """Return the mean ranks, best first, with a bar for each group of arms that are not told apart."""
    arms, found = ranked(study)
    rows = [*found.ranks.argsort(kind="stable").tolist(), *found.groups]
    most = (most_height() - scaled(FRAME)) / row_height(ROW, arms)
    return [_page(arms, found, arm_looks(study.run), page) for page in in_pages(rows, most)]


def _page(arms: Sequence[str], found: CriticalDifference, looks: Mapping[str, Look], rows: Sequence[Any]) -> Figure:
    """Draw rows, each of them an arm's place, or the ranks that a group reaches from and to."""
    order = [row for row in rows if isinstance(row, int)]
    height = scaled(FRAME) + row_height(ROW, arms) * len(rows)
    figure = Figure(figsize=(figure_width(), height), layout="constrained")
    axes = figure.add_subplot()
    clean_rows(axes, [arms[place] for place in order] + [""] * (len(rows) - len(order)))
    mark_rows(axes, [arms[place] for place in order])
    by_rank = sorted(found.ranks)
    for row, place in enumerate(rows):
        if not isinstance(place, int):
            ends = [by_rank[end] for end in place]
            axes.plot(ends, [row, row], color=text_color(), linewidth=4, solid_capstyle="butt")
            continue
        rank, look = found.ranks[place], looks[arms[place]]
        axes.plot([1, rank], [row, row], color=muted(), linewidth=0.8, zorder=0)
        axes.plot([rank], [row], **look.point(8))
        beside: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
        axes.annotate(f"{rank:.2f}", (1, row), (scaled(8), 0), color=text_color(), va="center_baseline", **beside)
    axes.set_xlim(0.8, len(arms) + 0.2)
    axes.set_title("Ranks over all tasks and datasets")
    axes.set_xlabel(in_lines(f"mean rank (1 is the best); critical difference {found.distance:.2f}", 0.7))
    return figure


def ranks_table(study: Frames) -> Table:
    """Return the mean rank of each arm over the tasks and datasets of a run, best first."""
    arms, found = ranked(study)
    frame = pd.DataFrame({"arm": arms, "rank": found.ranks}).sort_values("rank", kind="stable")
    caption = f"Mean rank of each arm over {found.blocks} tasks or datasets, by mean headline score; 1 is the best."
    return Table(
        "critical-difference",
        caption,
        frame,
        (ARM, value("rank", Metric("rank", "Mean rank", digits=2))),
        folded=True,
    )
