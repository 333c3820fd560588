"""Effects for other test images, or for other seeds and images at once, by recomputed scores."""

from dataclasses import asdict
from typing import Literal

import numpy as np
import pandas as pd

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.margins import margin_of
from skipbench.analysis.paired import COMPARED, PAIR, pairs
from skipbench.analysis.recounts import Numbers, Recount, recount
from skipbench.analysis.statistics.comparison import judge
from skipbench.analysis.statistics.resampling import (
    RESAMPLES,
    Scores,
    compare_over_both,
    compare_over_images,
    weights_of,
)

Recounts = dict[tuple[str, int], Recount]  # by arm and seed


def images_tested(study: Frames) -> int:
    """Return the number of images in the test split; 0 where records do not say, or their test images differ."""
    trained = study.finished("train")
    facts = [record.settings.get("data", {}) for record in trained]
    tested = {(record.data_fingerprint, *own.get("fold", ())) for record, own in zip(trained, facts, strict=True)}
    counts = {int(own.get("counts", {}).get("test", 0)) for own in facts}
    return counts.pop() if len(tested) == len(counts) == 1 else 0


def recounts(study: Frames, key: str) -> Recounts:
    """Return how `key` ("test/miou") is recomputed for each training that has left what it takes.

    Raises StoreError where a table cannot be read.
    """
    images = images_tested(study)
    tables: dict[tuple[str, int], dict[str, pd.DataFrame]] = {}
    for name, table in study.images.items() if images else ():
        for _, rows in table.groupby(["arm", "seed"], sort=False):
            tables.setdefault((str(rows["arm"].iloc[0]), int(rows["seed"].iloc[0])), {})[name] = rows
    known = {run: recount(key, of_run, images) for run, of_run in tables.items()}
    return {run: how for run, how in known.items() if how is not None}


@once
def effects_over(study: Frames, key: str, unit: Literal["images", "both"]) -> pd.DataFrame:
    """Return the columns of `paired.effects` for another unit: test images, or seeds and test images at once.

    Differences are paired by seed and by image. A pair without a common seed that has left per-image tables has no
    row. p-values are corrected for the rows. Raises StoreError.
    """
    known, images, margin = recounts(study, key), images_tested(study), margin_of(study, key)
    rows, found = [], []
    for pair in pairs(study).to_dict("records"):
        seeds = sorted(
            {s for arm, s in known if arm == pair["arm"]} & {s for a, s in known if a == pair["reference"]}
        )
        if not seeds:
            continue
        runs = [(known[pair["arm"], seed], known[pair["reference"], seed]) for seed in seeds]
        scores, sign = _differences(runs), study.metric(key).sign
        found.append(
            compare_over_images(scores, images, margin)
            if unit == "images"
            else compare_over_both(scores, images, margin, sign)
        )
        rows.append(pair)
    judged = [{**pair, **asdict(one)} for pair, one in zip(rows, judge(found), strict=True)]
    return pd.DataFrame(judged, columns=[*PAIR, *COMPARED])


def _differences(runs: list[tuple[Recount, Recount]]) -> Scores:
    """Return the differences (R, S) of pairs of trainings for how often each image counts (R, N)."""

    def scores(weights: Numbers) -> Numbers:
        return np.stack([arm(weights) - reference(weights) for arm, reference in runs], axis=1)

    return scores


def over_test_images(study: Frames, key: str, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, float]:
    """Return the standard deviation of each arm's mean score over its seeds, had other test images been drawn.

    A bootstrap over images (Efron 1979). Raises StoreError.
    """
    known, images = recounts(study, key), images_tested(study)
    if not known:
        return {}
    weights = weights_of(np.random.default_rng(seed).integers(images, size=(resamples, images)), images)
    by_arm: dict[str, list[Numbers]] = {}
    for (arm, _), how in known.items():
        by_arm.setdefault(arm, []).append(how(weights))
    return {arm: float(np.mean(each, axis=0).std(ddof=1)) for arm, each in by_arm.items()}
