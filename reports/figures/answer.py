"""Answer: one picture of what a run has found, its largest effects or, without any, its best arms."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import headline
from skipbench.reports.charts import forest_chart
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.figures.accuracy import accuracy_rows
from skipbench.reports.figures.effects import caption, effect_panels
from skipbench.reports.forest import SEEDS, Forest, Row, forests

ROWS = 8  # that are taken in at a glance


def answer_panels(study: Frames) -> list[Forest]:
    """Return at most ROWS rows for each study. Raises NothingToShow where no training run has finished."""
    try:
        return [replace(panel, rows=_most(panel.rows)) for panel in effect_panels(study)]
    except NothingToShow:
        panels = []
    for each in study.run.studies():
        if (score := headline(each)) is not None:
            rows = sorted(accuracy_rows(each), key=lambda row: _rank(row, score.sign))[:ROWS]
            panels.append(Forest(each.title, score.title, rows))
    if not panels:
        raise NothingToShow("There is no answer yet: no training run in this run folder has a score.")
    return panels


def shows_all_effects(study: Frames) -> bool:
    """Return whether the picture has every effect that there is. Raises NothingToShow where there is none."""
    return all(len(panel.rows) <= ROWS for panel in effect_panels(study))


def _most(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the largest effects, in the plan's order."""
    largest = sorted(rows, key=lambda row: -abs(row.center))[:ROWS]
    return [row for row in rows if row in largest]


def _rank(row: Row, sign: int) -> tuple[bool, float]:
    return isnan(row.center), 0.0 if isnan(row.center) else -sign * row.center


def _caption(study: Frames) -> str:
    try:
        more = "" if shows_all_effects(study) else f" The {ROWS} largest effects of each task; all are below."
        return caption(study) + more
    except NothingToShow:
        return f"Every run, the mean per arm and its 95 % t-interval over seeds; at most {ROWS} arms, best first."


def _alt(study: Frames) -> str:
    told = [f"{row.label} {row.text}" for panel in answer_panels(study) for row in panel.rows]
    return f"Means and their intervals: {'; '.join(told)}."


@register_figure(
    "answer",
    title="The answer",
    caption=_caption,
    alt=_alt,
    of_run=True,
    needs=answer_panels,
    chart=lambda study: forest_chart(study, answer_panels(study), SEEDS),
)
def answer_figure(study: Frames) -> list[Figure]:
    """Return the largest effects of each study, or its best arms."""
    return forests(answer_panels(study), SEEDS)
