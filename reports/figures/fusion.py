"""Fusion: what another fusion changes inside each model, paired by seed."""

from matplotlib.figure import Figure

from analysis.frames import Frames
from analysis.paired import fusion_differences, fusion_effects
from reports.errors import NothingToShow
from reports.figures import register_figure
from reports.figures.accuracy import score_of
from reports.forest import SEEDS, forest, seeds_row
from reports.style import arm_looks
from reports.tables import Table, each_seed, effects, text


@register_figure(
    "fusion",
    title="One fusion against another",
    caption="Score of a fusion less that of the fusion that the suite lists first for the model, at the same seed "
    "(same order of images, same augmentation). A description: no hypothesis is tested here.",
    alt="Difference in score that another fusion makes in each model, per seed.",
    below=lambda study: [fusion_table(study)],
)
def fusion_figure(study: Frames) -> Figure:
    """Return the paired difference of each fusion to its model's reference fusion."""
    score, looks = score_of(study), arm_looks(study)
    runs = fusion_differences(study, score.key)
    if runs.empty:
        raise NothingToShow("There is no fusion to compare: no two arms with a common seed differ in fusion only.")
    rows = [
        seeds_row(
            pair["label"],
            looks[pair["arm"]],
            score,
            runs.loc[runs.arm == pair["arm"], "difference"],
            pair,
            signed=True,
        )
        for pair in fusion_effects(study, score.key).to_dict("records")
    ]
    axis = f"difference in {score.label} (points)" if score.unit == "%" else f"difference in {score.title}"
    return forest(rows, "What the other fusion changes, same seed", axis, SEEDS, zero=True)


def fusion_table(study: Frames) -> Table:
    """Return what another fusion changes, paired by seed."""
    score = score_of(study)
    frame = fusion_effects(study, score.key)
    frame["seeds"] = each_seed(frame["arm"], fusion_differences(study, score.key), "difference", score, signed=True)
    caption = f"Difference in {score.label} between two fusions of one model, paired by seed."
    return Table("fusions", caption, frame, (text("label", "Model: fusion − reference"), *effects(score)))
