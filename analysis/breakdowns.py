"""Scores by size, by occlusion, by class: the same score for one group of objects, joints or pixels at a time."""

from contextlib import suppress
from string import Template

import pandas as pd

from skipbench.analysis.frames import Frames, once
from skipbench.analysis.statistics import summarize
from skipbench.analysis.text import distinct, listing
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Breakdown, Metric

_SUMMARY = ["n", "mean", "sd", "low", "high"]


def measured_breakdowns(study: Frames) -> list[tuple[Metric, Breakdown]]:
    """Return the breakdowns into fixed groups that at least one run of `study` has, each with its score."""
    pairs = [(score, by) for score in study.scores for by in score.by if by.groups]
    return [(score, by) for score, by in pairs if groups(study, by)]


@once
def groups(study: Frames, by: Breakdown) -> list[str]:
    """Return the groups for which at least one run has a value, in the order in which they are shown."""
    keys = study.values["key"]
    measured = keys[keys.str.startswith(by.prefix)].str.removeprefix(by.prefix).unique()
    return [group for group in by.groups if group in measured] if by.groups else list(measured)


@once
def group_runs(study: Frames, by: Breakdown) -> pd.DataFrame:
    """Return the value of each group in each finished run: arm, seed, group, value."""
    rows = study.values[study.values["key"].str.startswith(by.prefix)]
    rows = rows.assign(group=rows["key"].str.removeprefix(by.prefix))
    return rows[["arm", "seed", "group", "value"]].reset_index(drop=True)


@once
def breakdown(study: Frames, by: Breakdown) -> pd.DataFrame:
    """Return one row per arm and group with a value: arm, group, n, mean, sd, low, high over seeds.

    A group for which an arm has no value has no row: it is missing, not zero.
    """
    runs = group_runs(study, by).groupby(["arm", "group"])["value"].agg(list)
    order = [(arm, group) for arm in study.arms["arm"] for group in groups(study, by)]
    rows = [
        {"arm": arm, "group": group, **summarize(runs[arm, group])._asdict()}
        for arm, group in order
        if (arm, group) in runs.index
    ]
    return pd.DataFrame(rows, columns=["arm", "group", *_SUMMARY])


@once
def gaps(study: Frames, by: Breakdown) -> pd.DataFrame:
    """Return each run's value for the first of two groups minus that for the second: arm, seed, difference.

    A run that lacks one of the two has no row.
    """
    first, second = by.groups
    wide = group_runs(study, by).pivot(index=["arm", "seed"], columns="group", values="value")
    wide = wide.reindex(columns=[first, second]).dropna()
    return (wide[first] - wide[second]).rename("difference").reset_index()


@once
def gap_effects(study: Frames, by: Breakdown) -> pd.DataFrame:
    """Return the mean of `gaps` over seeds for each arm that has any: arm, n, mean, sd, low, high."""
    runs = gaps(study, by).groupby("arm")["difference"].agg(list)
    rows = [{"arm": arm, **summarize(runs[arm])._asdict()} for arm in study.arms["arm"] if arm in runs.index]
    return pd.DataFrame(rows, columns=["arm", *_SUMMARY])


def definition(study: Frames, by: Breakdown) -> str:
    """Return how the groups of `by` are defined, in a sentence, as far as the records say."""
    if by.groups != SIZES:
        return f"{by.rule}."
    data = [record.settings.get("data", {}) for record in study.finished("train")]
    records = [facts.get("size_limits_px") for facts in data]
    limits = dict.fromkeys((float(limits[0]), float(limits[1])) for limits in records if limits)
    if not limits:
        return f"{by.rule}; the records do not give the limits of small, medium and large."
    ranges = listing(f"small < {first:g} ≤ medium < {second:g} ≤ large" for first, second in limits)
    image = "image" if any(facts.get("own_pixels") for facts in data) else "image as the network sees it"
    return f"{by.rule}, in px of the {image}: {ranges}."


def reference(study: Frames) -> str | None:
    """Return how the study's scores are measured, in sentences; None where neither they nor the records say."""
    data = distinct(record.settings.get("data", {}) for record in study.finished("train"))
    facts = {name: listing(values) for name, values in data.items()}
    rules = []
    for rule in dict.fromkeys(score.rule for score in study.scores if score.rule and score.key in study.measured):
        with suppress(KeyError):  # a fact that no record says
            rules.append(Template(rule).substitute(facts))
    return " ".join(rules) or None
