"""Factor: the effect of another choice of one factor, paired by seed; a figure for each factor that varies."""

from math import isnan

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.paired import differences, effects
from skipbench.analysis.statistics import MIN_PAIRS
from skipbench.analysis.text import count
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure, slug
from skipbench.reports.figures.accuracy import score_of
from skipbench.reports.forest import SEEDS, forest, seeds_row
from skipbench.reports.style import arm_looks
from skipbench.reports.tables import Table, comparison_columns, difference_columns, each_seed, text


def tested(study: Frames) -> str:
    """Return what is tested of the study's effects, in a sentence or two."""
    score = score_of(study)
    table = effects(study, score.key)
    family = int(table["p_holm"].notna().sum())
    if not family:
        return f"Descriptive only: with fewer than {MIN_PAIRS} seeds no hypothesis is tested."
    margin = table["margin"].max()
    equal = "" if isnan(margin) else f"; equal: less than {score.show_unit(margin, signed=True).lstrip('+')} (TOST)"
    return f"Holm's correction is for all {count(family, 'comparison')} of the study{equal}."


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
)
def factor_figure(study: Frames, factor: str) -> Figure:
    """Return the paired difference between each choice of `factor` and its reference."""
    score, looks = score_of(study), arm_looks(study)
    runs = differences(study, score.key)
    runs = runs[runs.factor == factor]
    rows = [
        seeds_row(
            pair["label"],
            looks[pair["arm"]],
            score,
            runs.loc[runs.arm == pair["arm"], "difference"],
            pair,
            signed=True,
        )
        for pair in effects(study, score.key).to_dict("records")
        if pair["factor"] == factor
    ]
    axis = f"difference in {score.label} (points)" if score.unit == "%" else f"difference in {score.title}"
    return forest(rows, f"Effect of another {factor} at the same seed", axis, SEEDS, zero=True)


def factor_table(study: Frames, factor: str) -> Table:
    """Return the effect of another choice of `factor`, paired by seed."""
    score = score_of(study)
    frame, runs = (
        table[table.factor == factor] for table in (effects(study, score.key), differences(study, score.key))
    )
    frame = frame.assign(seeds=each_seed(frame["arm"], runs, "difference", score, signed=True))
    caption = (
        f"Difference in {score.label} between two choices of {factor}, all else being equal, paired by seed. "
        f"{tested(study)}"
    )
    label = text("label", f"Arm: {factor} − reference")
    columns = (label, *difference_columns(score), *comparison_columns(score, frame))
    return Table(f"factor-{slug(factor)}", caption, frame, columns)
