"""Factor: what another choice of one factor is worth, paired by seed; a figure for each factor that is studied."""

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.paired import differences, effects
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure, slug
from skipbench.reports.figures.accuracy import score_of
from skipbench.reports.forest import SEEDS, forest, seeds_row
from skipbench.reports.style import arm_looks
from skipbench.reports.tables import Table, difference_columns, each_seed, text


def studied(study: Frames) -> list[str]:
    """Return the factors in which alone two arms with a common seed differ. Raises NothingToShow where none is."""
    found = list(differences(study, score_of(study).key)["factor"].unique())
    if not found:
        raise NothingToShow(
            "There is no choice to compare: no two arms with a common seed differ in one factor alone."
        )
    return found


@register_figure(
    "factor",
    title="What one choice is worth",
    caption=lambda study, factor: (
        f"Score of a choice of {factor} less that of the first in the suite, all else equal, at the same seed "
        "(same order of images, same augmentation). A description: no hypothesis is tested here."
    ),
    alt=lambda study, factor: f"Difference in score that another choice of {factor} makes, per seed.",
    below=lambda study, factor: [factor_table(study, factor)],
    each=studied,
)
def factor_figure(study: Frames, factor: str) -> Figure:
    """Return the paired difference of each choice of `factor` to its reference."""
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
    return forest(rows, f"What another {factor} changes, same seed", axis, SEEDS, zero=True)


def factor_table(study: Frames, factor: str) -> Table:
    """Return what another choice of `factor` changes, paired by seed."""
    score = score_of(study)
    frame, runs = (
        table[table.factor == factor] for table in (effects(study, score.key), differences(study, score.key))
    )
    frame = frame.assign(seeds=each_seed(frame["arm"], runs, "difference", score, signed=True))
    caption = f"Difference in {score.label} between two choices of {factor}, all else equal, paired by seed."
    columns = (text("label", f"Arm: {factor} − reference"), *difference_columns(score))
    return Table(f"factor-{slug(factor)}", caption, frame, columns)
