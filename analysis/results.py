"""A study in one table: per arm its score, what it costs and how fast it trains."""

import pandas as pd

from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import accuracy
from skipbench.bench.records.metrics import Metric

ONCE = ("params/total", "macs/total", "latency_ms/median")  # measured once per arm
PER_RUN = ("train/images_per_s", "train/busy_share")  # measured in every training run


def results(study: Frames, score: Metric) -> pd.DataFrame:
    """Return `accuracy` with a column per key of ONCE and PER_RUN, of the latter the mean over the arm's runs.

    A key that no arm has a value of has no column. `at_least` says whether an arm's MACs are a lower bound.
    """
    values = study.values[study.values["key"].isin([*ONCE, *PER_RUN])]
    means = values.pivot_table(index="arm", columns="key", values="value", aggfunc="mean")
    means = means[[key for key in (*ONCE, *PER_RUN) if key in means]].rename_axis(columns=None)
    table = accuracy(study, score.key).merge(means, left_on="arm", right_index=True, how="left")
    return table.assign(at_least=table["arm"].isin(at_least(study)))
