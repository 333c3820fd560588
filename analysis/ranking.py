"""Which arm is best, how often it stays so, and over all studies of a run."""

from typing import Any

import numpy as np
import pandas as pd

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.paired import VARY
from skipbench.analysis.statistics import Unit
from skipbench.analysis.statistics.factorial import factorial
from skipbench.analysis.statistics.ranks import (
    CriticalDifference,
    Stability,
    critical_difference,
    resampled_means,
    stability,
)
from skipbench.analysis.statistics.resampling import weights_of
from skipbench.analysis.summaries import accuracy, headline, per_arm, scores
from skipbench.analysis.units import Recounts, images_tested, recounts

DRAWN = 1000  # resamples of images, whose scores are recomputed


@once
def rank_stability(study: Frames, key: str, unit: Unit = "seeds", cost: str | None = None) -> pd.DataFrame:
    """Return how stable the order of arms by mean `key` is: arm, seeds, and the fields of `Stability`.

    The `unit` is drawn anew: seeds, test images, or both; all arms share what is drawn, so only seeds that all of
    them have are used, and arms without a value are left out. `cost` ("macs/total") is that of the front. No row
    without a common seed, or where images have not left what it takes. Raises StoreError.
    """
    known = recounts(study, key) if unit != "seeds" else {}
    runs = scores(study, key).pivot(index="arm", columns="seed", values="value")
    order = [arm for arm in study.arms["arm"] if arm in runs.index]
    runs = runs.loc[order].dropna(axis=1) * study.metric(key).sign
    seeds = [seed for seed in runs if unit == "seeds" or all((arm, seed) in known for arm in order)]
    runs = runs[seeds]
    columns = ["arm", "seeds", *Stability._fields]
    if runs.empty:
        return pd.DataFrame(columns=columns)
    drawn = _drawn(known, study.metric(key).sign, runs, unit, images_tested(study))
    costs = per_arm(study, cost).reindex(runs.index).to_numpy(float) if cost else None
    found = stability(runs.mean(axis=1), drawn, costs)
    return pd.DataFrame({"arm": runs.index, "seeds": len(seeds), **found._asdict()})[columns]


def _drawn(known: Recounts, sign: int, runs: pd.DataFrame, unit: Unit, images: int) -> Any:
    """Return mean scores (R, A) of which more is better, over what of the unit is drawn anew."""
    if unit == "seeds":
        return resampled_means(runs)
    random, seeds = np.random.default_rng(0), runs.shape[1]
    weights = weights_of(random.integers(images, size=(DRAWN, images)), images)
    chosen = (
        random.integers(seeds, size=(DRAWN, seeds)) if unit == "both" else np.tile(np.arange(seeds), (DRAWN, 1))
    )
    of_arms = [np.stack([known[arm, int(seed)](weights) for seed in runs.columns], 1) for arm in runs.index]
    return sign * np.stack([np.take_along_axis(each, chosen, 1).mean(1) for each in of_arms], 1)


def over_studies(run: Frames) -> tuple[list[str], CriticalDifference] | str:
    """Return the arms that all of a run's studies have scored, and how they rank over these; or why they cannot be.

    A block is a study, a task on a dataset; its value is an arm's mean headline score over seeds.
    """
    headed = [(study, score) for study in run.studies() if (score := headline(study)) is not None]
    means = [accuracy(study, score.key).set_index("arm")["mean"].dropna() * score.sign for study, score in headed]
    arms = [arm for arm in (means[0].index if means else []) if all(arm in each.index for each in means)]
    if len(arms) < 3:
        return f"A critical difference needs three arms that every task and dataset has scored, not {len(arms)}."
    found = critical_difference([[each[arm] for arm in arms] for each in means])
    if found.blocks < found.needed:
        return (
            f"A critical difference between {len(arms)} arms needs {found.needed} tasks or datasets, as fewer can "
            f"show none; there {'is' if found.blocks == 1 else 'are'} {found.blocks}."
        )
    return arms, found


def crossed(study: Frames) -> list[str]:
    """Return the factors over which arms make a grid; what differs only together with the model is "model"."""
    arms = study.arms
    within = [name for name in study.varied if name != VARY and (arms.groupby("model")[name].nunique() > 1).any()]
    return (["model"] if arms["model"].nunique() > 1 else []) + within


@once
def grid_effects(study: Frames, key: str) -> pd.DataFrame:
    """Return the main effects and interactions of what arms differ in, as `factorial` does."""
    arms, factors = study.arms, crossed(study)
    runs = scores(study, key).merge(arms[["arm", *dict.fromkeys(["model", *factors])]], on="arm")
    return factorial(runs, factors)
