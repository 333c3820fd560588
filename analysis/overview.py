"""A run with several studies at a glance: how every arm does in each of them."""

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import accuracy, headline

_COLUMNS = ["study", "arm", "key", "n", "mean", "low", "high", "rank"]


def overview(run: Frames) -> pd.DataFrame:
    """Return the headline score of each arm that a study trains: study, arm, key, n, mean, low, high, rank.

    `rank` is that of the mean inside its study, 1 for the best; equal means share a rank. A study without a
    score has no rows; an arm without one is a row without numbers.
    """
    tables = []
    for study in run.studies():
        score = headline(study)
        if score is not None:
            table = accuracy(study, score.key)
            rank = (table["mean"] * score.sign).rank(method="min", ascending=False)
            tables.append(table.assign(study=study.title, key=score.key, rank=rank)[_COLUMNS])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
