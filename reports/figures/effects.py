"""Effects: what every single choice of every factor is worth in every task, in one forest plot."""

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import headline
from skipbench.reports.charts import forest_chart
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.figures.factor import effect_axis, effect_rows, tested
from skipbench.reports.forest import SEEDS, Forest, forests


def effect_panels(study: Frames) -> list[Forest]:
    """Return the effects of each study of the run that has any. Raises NothingToShow where none has."""
    panels = []
    for each in study.run.studies():
        score = headline(each)
        if score is not None and (rows := effect_rows(each)):
            panels.append(Forest(each.title, effect_axis(score), rows, zero=True))
    if not panels:
        raise NothingToShow(
            "There is no choice to compare: no two arms with a common seed differ in a single factor."
        )
    return panels


def caption(study: Frames) -> str:
    """Return how effects are to be read, and what was tested of each study's."""
    names = {panel.title for panel in effect_panels(study)}
    remarks = dict.fromkeys(tested(each) for each in study.run.studies() if each.title in names)
    return (
        "Score with another choice of one factor minus the score with the first choice in the suite, all else "
        "being equal, at the same seed (same order of images, same augmentation); raw and, where the suite asks "
        f"for it, at equal budgets. {' '.join(remarks)}"
    )


@register_figure(
    "effects",
    title="The effect of every single choice",
    caption=caption,
    alt=lambda study: f"{sum(len(panel.rows) for panel in effect_panels(study))} paired differences in score.",
    of_run=True,
    needs=effect_panels,
    chart=lambda study: forest_chart(study, effect_panels(study), SEEDS),
)
def effects_figure(study: Frames) -> list[Figure]:
    """Return all paired differences, a panel for each study."""
    return forests(effect_panels(study), SEEDS)
