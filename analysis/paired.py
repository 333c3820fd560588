"""What a choice is worth: the difference between two arms that differ in one factor alone, paired by seed."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from skipbench.analysis.budgets import Rivals, comparisons, suffix
from skipbench.analysis.frames import Frames, once
from skipbench.analysis.margins import margin_of
from skipbench.analysis.statistics import Comparison, compare
from skipbench.analysis.summaries import scores
from skipbench.bench.records.budgets import MATCHED
from skipbench.display import without

PAIR = ["factor", "arm", "reference", "label", "budget"]
VARY = "recipe.vary"  # what a seed varies: arms that differ in it are not compared, see `variation`
COMPARED = [each.name for each in fields(Comparison)]


@once
def pairs(study: Frames) -> pd.DataFrame:
    """Return the arms that differ from a reference arm in exactly one factor, factor by factor.

    Among arms that share everything else, the first in the plan is the reference; the shipped suites list a model's
    own choice first. A setting of measurements ("recipe.lr") is a factor where it varies by itself; where each
    choice of a network's factor has its own value, such as a tuned learning rate, it is part of that choice.
    Arms at equal budgets are paired with one another, whatever their widths; such a pair follows that of the arms
    as they are.
    Columns: factor, arm, reference, label ("unet: add − concat_wide at equal MACs", or "mine − plain" of arms that
    the suite names), budget ("macs", or "").
    """
    rows = [
        {
            "factor": factor,
            "arm": arm["arm"],
            "reference": first["arm"],
            "label": _label(arm, first, factor, part.budget),
            "budget": part.budget,
        }
        for part in comparisons(study)
        for factor in part.factors
        if factor != VARY
        for first, *others in _groups(part, factor)
        for arm in others
    ]
    places = {(row["factor"], row["label"]): place for place, row in reversed(list(enumerate(rows)))}
    rows.sort(key=lambda row: (study.varied.index(row["factor"]), places[row["factor"], row["label"]]))
    for row in rows:
        row["label"] += suffix(row["budget"])
    return pd.DataFrame(rows, columns=PAIR)


def _label(arm: dict[Any, Any], first: dict[Any, Any], factor: str, budget: str) -> str:
    one, other = (_title(each, factor, budget) for each in (arm, first))
    derived = all(_is_derived(title, str(each["model"])) for title, each in ((one, arm), (other, first)))
    return f"{one}: {arm[factor]} − {first[factor]}" if derived or one == other else f"{one} − {other}"


def _is_derived(title: str, model: str) -> bool:
    """Return whether an arm is called by its model, or by the morph that begins there, rather than by a name."""
    return title == model or title.startswith((f"{model} / ", f"{model} to "))


def _title(arm: dict[Any, Any], factor: str, budget: str) -> str:
    return without(without(arm["arm"], factor, arm[factor]), MATCHED, budget)


def _groups(part: Rivals, factor: str) -> Iterator[list[dict[Any, Any]]]:
    """Yield the arms that differ in `factor` alone, in the plan's order."""
    network = [name for name in part.factors if name != factor and "." not in name]
    options = [name for name in part.factors if name != factor and "." in name]
    for group in _split(part.arms, network):
        of_one_choice = "." not in factor and group[factor].is_unique
        for arms in [group] if of_one_choice else _split(group, options):
            yield arms.to_dict("records")


def _split(arms: pd.DataFrame, names: list[str]) -> list[pd.DataFrame]:
    """Return the arms as groups that have the same values under `names`."""
    return [group for _, group in arms.groupby(names, sort=False)] if names else [arms]


@once
def differences(study: Frames, key: str) -> pd.DataFrame:
    """Return, per pair and seed, the arm's `key` minus its reference's: `pairs`, seed, difference.

    A seed that either of the two lacks has no row.
    """
    runs = scores(study, key)
    base = runs.rename(columns={"arm": "reference", "value": "reference_value"})
    both = pairs(study).merge(runs, on="arm").merge(base, on=["reference", "seed"])
    return both.assign(difference=both["value"] - both["reference_value"])[[*PAIR, "seed", "difference"]]


@once
def effects(study: Frames, key: str) -> pd.DataFrame:
    """Return one row per pair: `pairs`, and the fields of its Comparison over seeds.

    All pairs of the study that have MIN_PAIRS seeds are one family, for which Holm's method corrects; intervals are
    not corrected.
    """
    runs = differences(study, key).groupby(["factor", "arm", "budget"])["difference"].agg(list)
    named = pairs(study).to_dict("records")
    family = [runs.get((pair["factor"], pair["arm"], pair["budget"]), []) for pair in named]
    found = compare(family, margin_of(study, key), study.metric(key).sign)
    rows = [{**pair, **asdict(one)} for pair, one in zip(named, found, strict=True)]
    return pd.DataFrame(rows, columns=[*PAIR, *COMPARED])
