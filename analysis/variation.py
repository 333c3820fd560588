"""Where the scores of one arm vary from: initialisation, order of images, augmentation, and the test images."""

import math

import numpy as np
import pandas as pd

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.paired import VARY
from skipbench.analysis.statistics.variance import Deviation, deviation, shares
from skipbench.analysis.summaries import scores
from skipbench.analysis.units import over_test_images
from skipbench.display import without

SOURCES = ("initialisation", "order", "augmentation")
IMAGES = "test images"


@once
def variance_split(study: Frames, key: str) -> pd.DataFrame:
    """Return the standard deviation of `key` by what alone was varied: arm, source, n, sd, low, high, share.

    Trainings with `recipe.vary: order` give that of "order", and so on; those with the usual `all` give "all",
    whose share is NaN. "test images" is that of the mean over seeds had other images been drawn (`n` is NaN),
    where trainings have left what it takes. `share` is that of the sum of all single sources' variances, NaN
    unless all three were varied alone. Raises StoreError.
    """
    runs = scores(study, key).merge(study.factors, on="arm")
    varied = runs[VARY] if VARY in runs else pd.Series("all", index=runs.index)
    names = [without(arm, VARY, source) for arm, source in zip(runs["arm"], varied, strict=True)]
    by_source = runs.assign(arm=names, source=varied).groupby(["arm", "source"], sort=False)["value"].agg(list)
    over = over_test_images(study, key)
    of_images = {name: over[arm] for name, arm in zip(names, runs["arm"], strict=True) if arm in over}
    rows = []
    for arm in dict.fromkeys(names):
        found = {
            source: deviation(by_source[arm, source]) for source in (*SOURCES, "all") if (arm, source) in by_source
        }
        if arm in of_images:
            found[IMAGES] = Deviation(0, of_images[arm], math.nan, math.nan)
        share = _shares(found)
        rows += [
            {"arm": arm, "source": source, **each._asdict(), "share": share.get(source, math.nan)}
            for source, each in found.items()
        ]
    table = pd.DataFrame(rows, columns=["arm", "source", "n", "sd", "low", "high", "share"])
    return table.assign(n=table["n"].where(table["source"] != IMAGES, np.nan))


def _shares(found: dict[str, Deviation]) -> dict[str, float]:
    """Return the shares of the single sources, where all of a training's were varied alone."""
    if not {*SOURCES} <= found.keys():
        return {}
    return shares({source: each.sd for source, each in found.items() if source != "all"})
