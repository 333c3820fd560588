"""Factor: the effect of another choice of one factor, paired by seed; a figure for each factor that varies."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan
from typing import Any

from matplotlib.figure import Figure

from skipbench.analysis.audit import audit
from skipbench.analysis.budgets import budget, cost_keys, with_costs
from skipbench.analysis.frames import Frames
from skipbench.analysis.paired import differences, effects
from skipbench.analysis.statistics import MIN_PAIRS
from skipbench.bench.records.budgets import BUDGETS
from skipbench.bench.records.metrics import Metric
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure, slug
from skipbench.reports.figures.accuracy import score_of
from skipbench.reports.forest import SEEDS, Row, forest, seeds_row
from skipbench.reports.looks import arm_looks
from skipbench.reports.tables import (
    Column,
    Table,
    comparison_columns,
    difference_columns,
    each_seed,
    text,
    value,
)


def tested(study: Frames) -> str:
    """Return what is tested of the study's effects, in a sentence or two."""
    score = score_of(study)
    table = effects(study, score.key)
    family = int(table["p_holm"].notna().sum())
    if not family:
        return f"Descriptive only: with fewer than {MIN_PAIRS} seeds no hypothesis is tested."
    margin = table["margin"].max()
    corrected = f"Holm's correction is for the study's {family} comparisons."
    if family == 1:
        corrected = "It is the study's only comparison, which needs no correction."
    if isnan(margin):
        return corrected
    equal = score.show_unit(margin, signed=True).lstrip("+")
    return f"{corrected} Two count as equal where they surely differ by less than {equal} (TOST)."


def studied(study: Frames) -> list[str]:
    """Return the factors that alone set two arms with a common seed apart. Raises NothingToShow without any."""
    factors = list(differences(study, score_of(study).key)["factor"].unique())
    if not factors:
        raise NothingToShow(
            "There is no choice to compare: no two arms with a common seed differ in a single factor."
        )
    return factors


@register_figure(
    "factor",
    title="The effect of a single choice",
    caption=lambda study, factor: (
        f"Score with a choice of {factor} minus the score with the first in the suite, all else being equal, at "
        f"the same seed (same order of images, same augmentation). {tested(study)}"
    ),
    alt=lambda study, factor: f"The difference in score that another choice of {factor} makes, per seed.",
    below=lambda study, factor: [factor_table(study, factor)],
    each=studied,
    needs=lambda study, factor: effect_rows(study, factor),
)
def factor_figure(study: Frames, factor: str) -> list[Figure]:
    """Return the paired difference between each choice of `factor` and its reference."""
    rows, score = effect_rows(study, factor), score_of(study)
    return forest(rows, f"Effect of another {factor} at the same seed", effect_axis(score), SEEDS, zero=True)


def effect_axis(score: Metric) -> str:
    """Return what stands at the axis of differences in a score."""
    return f"difference in {score.label} (points)" if score.unit == "%" else f"difference in {score.title}"


def effect_rows(study: Frames, factor: str | None = None) -> list[Row]:
    """Return a row for each pair of arms that differ in one factor, or in this one, and have a common seed.

    Raises NothingToShow where no training run has finished.
    """
    score, looks = score_of(study), arm_looks(study)
    runs = differences(study, score.key).groupby(["factor", "label"])["difference"]
    table = with_costs(study, effects(study, score.key))
    several = factor is None and (
        table["factor"].nunique() > 1 or table["factor"].str.contains(".", regex=False).any()
    )
    rows = []
    for pair in table[table["n"] > 0].to_dict("records"):
        if factor in (None, pair["factor"]):
            name = f"{pair['factor']}: {_row_label(study, pair)}" if several else _row_label(study, pair)
            own = runs.get_group((pair["factor"], pair["label"]))
            row = seeds_row(name, looks[pair["arm"]], score, own, pair, signed=True)
            rows.append(replace(row, arms=(pair["arm"], pair["reference"])))
    return rows


def factor_table(study: Frames, factor: str) -> Table:
    """Return the effect of another choice of `factor`, paired by seed."""
    score = score_of(study)
    frame, runs = (
        table[table.factor == factor] for table in (effects(study, score.key), differences(study, score.key))
    )
    seeds = each_seed(frame["label"], runs.assign(arm=runs["label"]), "difference", score, signed=True)
    frame = with_costs(study, frame.assign(seeds=seeds))
    frame = frame.merge(audit(study)[["factor", "label", "also"]], on=["factor", "label"])
    caption = (
        f"Difference in {score.label} between two choices of {factor}, all else being equal, paired by seed; and "
        "in what else the two measurably differ, so that the effect may be its own or that of size or the start. "
        f"{tested(study)}"
    )
    if by := budget(study):
        caption += (
            f" Each pair is shown as it is and at equal {BUDGETS[by].label}, where widths differ too; "
            "the last columns are the costs of the two arms and how many times as much the first costs."
        )
    costs = [column for key in cost_keys(study) for column in _cost_columns(study.metric(key))]
    label = text("label", f"Arm: {factor} − reference")
    also = text("also", "Also differs in")
    *difference, each = difference_columns(score)
    columns = (label, *difference, *comparison_columns(score, frame), also, *costs, each)
    return Table(f"factor-{slug(factor)}", caption, frame, columns)


def _cost_columns(cost: Metric) -> tuple[Column, ...]:
    """Return the columns of what two arms cost."""
    return (
        value(f"arm {cost.key}", cost),
        value(f"reference {cost.key}", cost, "Reference's"),
        Column(cost.key, "Ratio", lambda ratio: f"{ratio:.3f}", number=True),
    )


def _row_label(study: Frames, pair: Mapping[Any, Any]) -> str:
    """Return what a pair is called in the figure; that of arms as they are has the ratio of their costs."""
    by = budget(study)
    if not by or pair["budget"] or BUDGETS[by].key not in cost_keys(study):
        return str(pair["label"])
    return f"{pair['label']} ({pair[BUDGETS[by].key]:.2f} x the {BUDGETS[by].label})"
