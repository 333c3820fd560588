"""Facts per arm: scores with their intervals, cost by part, latency, the trade-off between them."""

import math
from typing import Any

import pandas as pd

from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames, once
from skipbench.analysis.statistics import pareto_front, summarize, surely_beaten
from skipbench.analysis.text import flatten
from skipbench.bench.records import PARTS
from skipbench.bench.records.metrics import Metric

COSTS = ("macs/total", "latency_ms/median")  # what a score is set against
AXES = ("macs/total", "params/total", "latency_ms/median", "peak_bytes/inference", "peak_bytes/training")
INTERVALS = {"latency_ms/median": ("latency_ms/low", "latency_ms/high")}  # of a cost that is uncertain
ONCE = ("params/total", "macs/total", "latency_ms/median")  # measured once per arm
PER_RUN = ("train/images_per_s", "train/busy_share")  # measured in every training run
_OVERVIEW = ["study", "arm", "key", "n", "mean", "low", "high", "rank"]


def headline(study: Frames) -> Metric | None:
    """Return the score by which the arms of one study are compared; None where no run has one."""
    return next((score for score in study.scores if score.key in study.measured), None)


def scores(study: Frames, key: str) -> pd.DataFrame:
    """Return the value of `key` of each finished run: arm, seed, value."""
    rows = study.values[study.values["key"] == key]
    return rows[["arm", "seed", "value"]].reset_index(drop=True)


@once
def accuracy(study: Frames, key: str) -> pd.DataFrame:
    """Return `key` per arm that the plan trains: arm, model, planned, n, mean, sd, low, high.

    `planned` counts the runs in the plan, `n` those with a value. An arm without any has a row too.
    """
    runs = scores(study, key)
    rows: list[dict[str, Any]] = []
    trained = study.cells[study.cells.kind == "train"].groupby(["arm", "model"], sort=False)
    for (arm, model), cells in trained:
        summary = summarize(runs.loc[runs.arm == arm, "value"].tolist())
        rows.append({"arm": arm, "model": model, "planned": len(cells), **summary._asdict()})
    return pd.DataFrame(rows, columns=["arm", "model", "planned", "n", "mean", "sd", "low", "high"])


@once
def cost(study: Frames) -> pd.DataFrame:
    """Return one row per costed arm: the identity, every counted value, "macs/per_byte", `notes` and `at_least`."""
    table, finished = study.wide("cost"), study.finished("cost")
    if "bytes/total" in table:
        table["macs/per_byte"] = table["macs/total"] / table["bytes/total"]
    notes = [" ".join(record.notes) for record in finished]
    return table.assign(notes=notes, at_least=table["arm"].isin(at_least(study)))


def parts(study: Frames, quantity: str) -> pd.DataFrame:
    """Return where `quantity` ("params", "macs", "bytes") sits: arm, part, value, share of the arm's total.

    The share is NaN where an arm's parts add up to nothing.
    """
    rows = study.values[study.values["key"].isin([f"{quantity}/{part}" for part in PARTS])]
    rows = rows.assign(part=rows["key"].str.removeprefix(f"{quantity}/"))[["arm", "part", "value"]]
    totals = rows.groupby("arm")["value"].transform("sum")
    return rows.assign(share=(rows["value"] / totals).where(totals > 0)).reset_index(drop=True)


def latency(study: Frames) -> pd.DataFrame:
    """Return one row per timed arm: the identity, the measured values, and each setting as "setting/<name>"."""
    settings = [dict(flatten(record.settings)) for record in study.finished("latency")]
    return study.wide("latency").join(pd.DataFrame(settings).add_prefix("setting/"))


@once
def tradeoff(study: Frames, score: Metric, cost_key: str) -> pd.DataFrame:
    """Return mean score against cost for the arms that have both.

    Columns: arm, model, cost, score, on_front (of low cost and good mean score), beaten (significantly, see
    `surely_beaten`; a latency lies somewhere in its interval, and counted MACs may be a lower bound), at_least
    (whether `cost` is such a bound).
    """
    means = accuracy(study, score.key).set_index("arm")
    costs, low, high = (per_arm(study, key) for key in (cost_key, *INTERVALS.get(cost_key, [cost_key] * 2)))
    both = means.assign(cost=costs, low=low, high=high, score=means["mean"]).dropna(subset=["cost", "score"])
    both["at_least"] = both.index.isin(at_least(study)) & study.metric(cost_key).counted
    both.loc[both["at_least"], "high"] = math.inf
    both["on_front"] = pareto_front(both["cost"], both["score"] * score.sign)
    runs = scores(study, score.key).pivot(index="arm", columns="seed", values="value").reindex(both.index)
    both["beaten"] = surely_beaten(both["low"], both["high"], runs * score.sign)
    return both.reset_index()[["arm", "model", "cost", "score", "on_front", "beaten", "at_least"]]


def axes_of(study: Frames) -> list[Metric]:
    """Return what arms can be set against one another by: scores, the headline first, and costs."""
    costs = [study.metric(key) for key in AXES]
    return [metric for metric in (*study.scores, *costs) if metric.key in study.measured]


def measured_by_arm(study: Frames, key: str) -> pd.DataFrame:
    """Return an arm's value of a score, the mean over its seeds, or of a cost, by arm: value, low, high.

    The interval is the score's t-interval, or that of a cost that is uncertain; NaN where there is none.
    """
    if key in (score.key for score in study.scores):
        table = accuracy(study, key).set_index("arm").rename(columns={"mean": "value"})
    else:
        low, high = INTERVALS.get(key, ("", ""))
        table = pd.DataFrame(
            {"value": per_arm(study, key), "low": per_arm(study, low), "high": per_arm(study, high)}
        )
    return table[["value", "low", "high"]].dropna(subset="value")


def per_arm(study: Frames, key: str) -> pd.Series:
    """Return the value of `key` by arm, for what is measured once per arm."""
    return study.values[study.values["key"] == key].set_index("arm")["value"]


def results(study: Frames, score: Metric) -> pd.DataFrame:
    """Return `accuracy` with a column for each key of ONCE and PER_RUN; the latter are means over the arm's runs.

    A key without any value has no column. `at_least` says whether an arm's MACs are a lower bound.
    """
    values = study.values[study.values["key"].isin([*ONCE, *PER_RUN])]
    means = values.pivot_table(index="arm", columns="key", values="value", aggfunc="mean")
    means = means[[key for key in (*ONCE, *PER_RUN) if key in means]].rename_axis(columns=None)
    table = accuracy(study, score.key).merge(means, left_on="arm", right_index=True, how="left")
    return table.assign(at_least=table["arm"].isin(at_least(study)))


def overview(run: Frames) -> pd.DataFrame:
    """Return the headline score of each arm that a study trains: study, arm, key, n, mean, low, high, rank.

    `rank` is that of the mean within its study, 1 for the best; equal means share a rank. A study without a
    score has no rows; an arm without one is a row without numbers.
    """
    tables = []
    for study in run.studies():
        score = headline(study)
        if score is not None:
            table = accuracy(study, score.key)
            rank = (table["mean"] * score.sign).rank(method="min", ascending=False)
            tables.append(table.assign(study=study.title, key=score.key, rank=rank)[_OVERVIEW])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_OVERVIEW)


def why_empty(study: Frames, kind: str) -> str | None:
    """Return why no cell of `kind` has a result, in one sentence; None where one has."""
    cells = study.cells[study.cells.kind == kind]
    if cells.empty:
        return f"The suite has no {kind} cells."
    if (cells.status == "ok").any():
        return None
    failed, missing = int((cells.status == "failed").sum()), int((cells.status == "missing").sum())
    return f"No {kind} cell has a result: {failed} failed, {missing} not run yet."


def spread(values: pd.Series) -> float:
    """Return the largest of `values` over the smallest, minus one: 0.25 is a quarter more; NaN if unknown."""
    known = values.dropna()
    return float(known.max() / known.min() - 1) if len(known) and known.min() > 0 else math.nan
