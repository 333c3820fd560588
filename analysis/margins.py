"""The difference in a score that a suite takes for none."""

import math

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import headline


def margin_of(study: Frames, key: str) -> float:
    """Return the margin that the suite states for a score, in its recorded unit; NaN where it states none.

    `margin: 0.01` is that of the headline score, `margin: {test/miou: 0.01}` names the score.
    """
    task, dataset = study.cells[["task", "dataset"]].iloc[0] if len(study.cells) else ("", "")
    studies = [each for each in study.suite.get("studies", []) if each.get("task", {}).get("name") == task]
    cells = study.run.cells
    datasets = list(cells.loc[cells.task == task, "dataset"].unique())  # in the order of the suite's studies
    margin = dict(zip(datasets, studies, strict=False)).get(dataset, {}).get("margin", {})
    if not isinstance(margin, dict):
        score = headline(study)
        margin = {score.key: margin} if score else {}
    return float(margin.get(key, math.nan))
