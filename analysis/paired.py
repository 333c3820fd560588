"""What a fusion is worth inside one model: the difference to the reference fusion, paired by seed."""

import pandas as pd

from analysis.frames import Frames
from analysis.intervals import summarize
from analysis.summaries import scores

_PAIR = ["arm", "reference", "label"]


def fusion_pairs(study: Frames) -> pd.DataFrame:
    """Return the arms that differ from a reference arm in their fusion only.

    Of arms that share everything but the fusion the plan's first is the reference; the shipped suites
    list each model's own fusion first. Columns: arm, reference, label ("unet: add − concat_wide").
    """
    first = study.arms.drop_duplicates("base")[["base", "arm", "fusion"]]
    first = first.rename(columns={"arm": "reference", "fusion": "reference_fusion"})
    pairs = study.arms.merge(first, on="base")
    pairs["label"] = pairs["model"] + ": " + pairs["fusion"] + " − " + pairs["reference_fusion"]
    return pairs.loc[pairs.arm != pairs.reference, _PAIR].reset_index(drop=True)


def fusion_differences(study: Frames, key: str) -> pd.DataFrame:
    """Return, per pair and seed, the arm's `key` less its reference's: `fusion_pairs`, seed, difference.

    A seed that one of the two lacks has no row.
    """
    runs = scores(study, key)
    base = runs.rename(columns={"arm": "reference", "value": "reference_value"})
    pairs = fusion_pairs(study).merge(runs, on="arm").merge(base, on=["reference", "seed"])
    return pairs.assign(difference=pairs["value"] - pairs["reference_value"])[[*_PAIR, "seed", "difference"]]


def fusion_effects(study: Frames, key: str) -> pd.DataFrame:
    """Return one row per pair: `fusion_pairs`, n, mean, sd, low, high of the differences over seeds.

    The interval describes one pair; it is no test, and not corrected for the number of pairs.
    """
    differences = fusion_differences(study, key).groupby("arm")["difference"].agg(list)
    rows = [
        {**pair, **summarize(differences.get(pair["arm"], []))._asdict()}
        for pair in fusion_pairs(study).to_dict("records")
    ]
    return pd.DataFrame(rows, columns=[*_PAIR, "n", "mean", "sd", "low", "high"])
