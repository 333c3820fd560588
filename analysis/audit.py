"""Audit: what differs between two arms besides the factor in which they are compared."""

import math

import pandas as pd

from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames, once
from skipbench.analysis.paired import pairs
from skipbench.analysis.text import inside

COSTS = ("params/total", "macs/total")
STARTS = ("start/loss", "start/signal_rms")  # the first loss, and the scale at which the decoder begins
OUTPUTS = "start/outputs"
NOTABLE_COST = 0.01  # a difference is told from here on, as a share of the reference's value
NOTABLE_START = 0.25  # ... and this for what varies with the first batch


@once
def audit(study: Frames) -> pd.DataFrame:
    """Return `paired.pairs` with a column `also`: what else differs, "" where nothing notable does."""
    table = pairs(study)
    also = [beyond(study, pair["arm"], pair["reference"]) for pair in table.to_dict("records")]
    return table.assign(also=pd.Series(also, dtype=str))


def beyond(study: Frames, arm: str, reference: str) -> str:
    """Return what measurably differs between an arm and its reference, in words: "+12 % MACs, first loss × 1.40".

    Parameters and MACs; the first loss and the decoder's signal at the start, means over seeds; how many outputs
    are supervised. What was not measured of both is not told, nor MACs of which one is only a lower bound.
    """
    means = _means(study)
    told = []
    for key in COSTS:
        ratio = _ratio(means, key, arm, reference)
        unsure = study.metric(key).counted and {arm, reference} & at_least(study)
        if not unsure and abs(ratio - 1) >= NOTABLE_COST:
            told.append(f"{ratio - 1:+.0%} {inside(study.metric(key).label)}".replace("%", " %").replace("-", "−"))
    outputs = [_mean(means, OUTPUTS, name) for name in (arm, reference)]
    if not any(map(math.isnan, outputs)) and outputs[0] != outputs[1]:
        told.append("{:.0f} supervised outputs instead of {:.0f}".format(*outputs))
    for key in STARTS:
        ratio = _ratio(means, key, arm, reference)
        if ratio >= 1 + NOTABLE_START or ratio <= 1 / (1 + NOTABLE_START):
            told.append(f"{inside(study.metric(key).label)} × {ratio:.2f}")
    return ", ".join(told)


@once
def _means(study: Frames) -> pd.DataFrame:
    """Return the mean over cells of each audited value: arm x key."""
    rows = study.values[study.values["key"].isin([*COSTS, *STARTS, OUTPUTS])]
    return rows.pivot_table(index="arm", columns="key", values="value", aggfunc="mean")


def _mean(means: pd.DataFrame, key: str, arm: str) -> float:
    return float(means[key].get(arm, math.nan)) if key in means else math.nan


def _ratio(means: pd.DataFrame, key: str, arm: str, reference: str) -> float:
    """Return the arm's mean over the reference's; NaN, which no limit is beyond, where either is missing or 0."""
    base = _mean(means, key, reference)
    return _mean(means, key, arm) / base if base else math.nan
