"""Learning curves: the loss and a validation score over the images that trainings have seen."""

from typing import Any

import pandas as pd

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.summaries import headline
from skipbench.bench.records.metrics import Metric

POINT = ["arm", "seed", "images", "value"]


def validated(study: Frames) -> Metric | None:
    """Return the score whose course is shown: the headline score on the validation split, where it was kept.

    Before a training has finished it is the first declared score that a validation has. Raises StoreError.
    """
    known = [metric for metric in study.metrics.values() if metric.key in study.validations]
    score = headline(study)
    key = score.validation_key if score else ""
    return next(iter(sorted(known, key=lambda metric: metric.key != key)), None)


def course(study: Frames, key: str) -> pd.DataFrame:
    """Return "loss", or a score of validations, over images: arm, seed, images, value, in the order of time.

    A point without a value has no row. Raises StoreError.
    """
    table = study.curves if key in study.curves else study.validations
    if key not in table:
        return pd.DataFrame(columns=POINT)
    return table.rename(columns={key: "value"})[POINT].dropna(subset=["value"]).reset_index(drop=True)


def mean_course(points: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of a `course` over the seeds at hand after so many images: arm, images, value."""
    return points.groupby(["arm", "images"], sort=False)["value"].mean().reset_index()


@once
def learned(study: Frames) -> pd.DataFrame:
    """Return one row per arm with a curve: arm, seeds, first and last (mean loss), best and at (of validations).

    `best` is the mean over seeds of each seed's best score, `at` the mean of the images seen by then, both NaN
    where no validation has the score of `validated`. Raises StoreError.
    """
    losses, score = course(study, "loss"), validated(study)
    scores = course(study, score.key) if score else pd.DataFrame(columns=POINT)
    rows: list[dict[str, Any]] = []
    for arm, points in losses.groupby("arm", sort=False):
        runs = points.groupby("seed")["value"]
        own = scores[scores["arm"] == arm].reset_index(drop=True)
        signed = own["value"].astype(float) * (score.sign if score else 1)
        best = own.loc[signed.groupby(own["seed"]).idxmax()]
        rows.append(
            {
                "arm": arm,
                "seeds": runs.ngroups,
                "first": runs.first().mean(),
                "last": runs.last().mean(),
                "best": best["value"].astype(float).mean(),
                "at": best["images"].astype(float).mean(),
            }
        )
    return pd.DataFrame(rows, columns=["arm", "seeds", "first", "last", "best", "at"])
