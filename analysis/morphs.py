"""Morphs: what each edit on the way from one network to another costs and is worth, in one order or over many."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd

from skipbench.analysis import latency
from skipbench.analysis.audit import beyond
from skipbench.analysis.frames import Frames, once
from skipbench.analysis.latency import Timed, margin
from skipbench.analysis.margins import margin_of
from skipbench.analysis.statistics import compare
from skipbench.analysis.summaries import headline, per_arm, scores
from skipbench.bench.records.metrics import Metric

COSTS = {  # finer than elsewhere: an edit changes little of a network
    "params/total": Metric("params/total", "Parameters", "k", "lower", 1e-3, 1),
    "macs/total": Metric("macs/total", "MACs", "M", "lower", 1e-6, 1, counted=True),
}
LATENCY = Metric("latency_ms/median", "Latency", "ms", "lower", digits=2)
FREE = 0.01  # of the first network's cost, below which a change of it is none
NOTHING, MATTERS = "changes nothing", "matters"
WORTH = {  # what is concluded from the change in score, in words
    "descriptive": "too few seeds",
    "equal": "makes no difference",
    "undecided": "not shown to matter",
    "higher": MATTERS,
    "lower": MATTERS,
}
Order = Sequence[tuple[Sequence[str], float]]  # of each step the factors that change, and by how much that changes


@dataclass(frozen=True)
class Contribution:
    """What the change of one factor added in each of several orders: the exact numbers."""

    factor: str
    each: tuple[Fraction, ...]

    @property
    def mean(self) -> Fraction:
        """The mean over the orders."""
        return sum(self.each, Fraction(0)) / len(self.each)

    @property
    def low(self) -> float:
        """The least of all orders."""
        return float(min(self.each))

    @property
    def high(self) -> float:
        """The most of all orders."""
        return float(max(self.each))


def contributions(orders: Sequence[Order]) -> list[Contribution]:
    """Return what each factor's change added to a quantity, in every order in which the same changes were made.

    Over all permutations the mean is Shapley's value (1953) of the change; over a sample of them it is its estimate
    (Castro, Gomez and Tejada, 2009), and where some orders do not work, the value of a game whose players must wait
    for each other (Faigle and Kern, 1992). What several changes add together is shared among them equally. In
    every order the sum over factors is the difference between the two ends, so the means add up to it too.
    """
    added: dict[str, list[Fraction]] = {}
    for order in orders:
        for factors, change in order:
            for factor in factors:
                added.setdefault(factor, []).append(Fraction(change) / len(factors))
    return [Contribution(factor, tuple(each)) for factor, each in added.items()]


def together(effects: Sequence[Contribution], factors: Sequence[str]) -> Contribution:
    """Return what the changes of these factors added in each order, all of them together."""
    own = [effect.each for effect in effects if effect.factor in factors]
    return Contribution(" and ".join(factors), tuple(sum(each, Fraction(0)) for each in zip(*own, strict=True)))


def walk(edits: Sequence[str], costs: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Return one row per network on the way; `edits` say how each came from the one before, "" of the first.

    Columns: step, edit, and of each of COSTS its value, "<key>/change" by the edit, and "<key>/share", that change
    over the first network's value.
    """
    table = pd.DataFrame({"step": range(len(edits)), "edit": edits})
    for key in COSTS:
        table[key] = [cost.get(key, math.nan) for cost in costs]
        table[f"{key}/change"] = table[key].diff()
        table[f"{key}/share"] = table[f"{key}/change"] / table[key].iloc[0]
    return table


def with_latency(
    table: pd.DataFrame, timed: Mapping[str, Timed], arms: Sequence[str], margin: float, blocks: int
) -> pd.DataFrame:
    """Return a walk with the latency of its `arms` and its ratio to the step before, by their common blocks.

    Further columns: the median in ms, "latency/ratio", "latency/low", "latency/high" and "latency/verdict" as
    `analysis.latency.compare` gives them of the two; nothing where an arm was not timed in the same session.
    """
    rows: list[dict[str, Any]] = [{LATENCY.key: _median(timed.get(arms[0]))}]
    for before, arm in itertools.pairwise(arms):
        row: dict[str, Any] = {LATENCY.key: _median(timed.get(arm))}
        if arm != before and _one_session(timed.get(before), timed.get(arm)):
            found = latency.compare({name: timed[name] for name in (before, arm)}, before, margin, blocks).iloc[1]
            row |= {f"latency/{name}": found[name] for name in ("ratio", "low", "high", "verdict")}
        rows.append(row)
    columns = [LATENCY.key, *(f"latency/{name}" for name in ("ratio", "low", "high", "verdict"))]
    return table.join(pd.DataFrame(rows, columns=columns))


def _median(timed: Timed | None) -> float:
    return timed.values[LATENCY.key] if timed else math.nan


def _one_session(*timed: Timed | None) -> bool:
    starts = [tuple(block.started_at for block in one.blocks) if one else () for one in timed]
    return bool(starts[0]) and len(set(starts)) == 1


def with_scores(table: pd.DataFrame, study: Frames, arms: Sequence[str], key: str) -> pd.DataFrame:
    """Return a walk with the mean `key` of its `arms`, "" for one that is not in the study, and each edit's effect.

    Further columns: score; of its change against the step before, paired by seed, n, mean, low, high (Student's t),
    p (paired t-test), p_holm (Holm's correction for the walk's edits), verdict, each (one number per seed).
    """
    runs = scores(study, key).pivot(index="seed", columns="arm", values="value")
    columns = [runs[arm] if arm in runs else pd.Series(dtype=float) for arm in arms]
    none = pd.Series(dtype=float)
    pairs = zip([none, *columns], columns, strict=False)
    each = [(after - before).dropna().tolist() for before, after in pairs]
    found = pd.DataFrame(compare(each, margin_of(study, key)), index=table.index)
    told = found[["n", "mean", "low", "high", "p", "p_holm", "verdict"]]
    return table.assign(score=[column.mean() for column in columns], **told, each=pd.Series(each))


def judged(table: pd.DataFrame, nothing: Sequence[bool] = ()) -> pd.DataFrame:
    """Return a walk with two verdicts on each edit, in words: `cost` and, where there are scores, `worth`.

    `cost` is "free" where neither parameters nor MACs change by FREE of the first network's and no difference in
    latency was found. `worth` is one of WORTH, or "not trained". `nothing` says of which rows the edit changes no
    operator and no weight.
    """
    rows = table.assign(nothing=list(nothing) or [False] * len(table)).to_dict("records")
    table = table.assign(cost=["" if row["edit"] == "" else _cost(row) for row in rows])
    if "n" in table:
        table["worth"] = [
            "" if row["edit"] == "" else WORTH[row["verdict"]] if row["n"] else "not trained" for row in rows
        ]
    return table


def _cost(row: Mapping[Any, Any]) -> str:
    if row["nothing"]:
        return NOTHING
    shares = {"parameters": row["params/total/share"], "MACs": row["macs/total/share"]}
    told = {what: share for what, share in shares.items() if abs(share) >= FREE}
    if row.get("latency/verdict") in ("faster", "slower"):
        told["latency"] = row["latency/ratio"] - 1
    words = [
        f"{verb} {listed}"
        for verb, sign in (("costs", 1), ("saves", -1))
        if (listed := ", ".join(f"{abs(x):.0%} {what}" for what, x in told.items() if x * sign > 0))
    ]
    if not words and any(map(math.isnan, shares.values())):
        return "not counted"
    return "; ".join(words).replace("%", " %") or "free"


def planned(study: Frames) -> dict[str, list[str]]:
    """Return the arms, from end to end, of each morph that the suite names and this study has, by its name."""
    present = set(study.arms["arm"])
    entries = [entry for part in study.suite.get("studies", []) for entry in part.get("arms", [])]
    morphs = [entry["steps"] for entry in entries if entry.get("steps")]
    return {f"{arms[0]} to {arms[-1]}": arms for arms in morphs if present.issuperset(arms)}


def same_fusion(study: Frames, arms: Sequence[str]) -> str:
    """Return the fusion that all of a morph's arms have, "" where it is one of the edits."""
    fusions = study.factors.loc[study.factors["arm"].isin(arms), "fusion"].unique()
    return str(fusions[0]) if len(fusions) == 1 else ""


@once
def steps(study: Frames, name: str) -> pd.DataFrame:
    """Return a planned morph as a table: `walk` over its arms, latency and scores as far as measured, verdicts.

    Further columns: arm, and `also`, what else differs from the step before (see analysis.audit).
    """
    arms = planned(study)[name]
    counted = {key: per_arm(study, key).to_dict() for key in COSTS}
    costs = [{key: values[arm] for key, values in counted.items() if arm in values} for arm in arms]
    table = walk(_edits(study, arms), costs).assign(arm=arms)
    table = measured(table, study, arms)
    also = [beyond(study, arm, before) for before, arm in itertools.pairwise(arms)]
    return judged(table).assign(also=["", *also])


def measured(table: pd.DataFrame, study: Frames, arms: Sequence[str]) -> pd.DataFrame:
    """Return a walk with the latencies and scores that a study has of its `arms`, "" for those it does not have."""
    timed = {record.arm: record for record in study.finished("latency") if record.blocks}
    if timed:
        blocks = int(next(iter(timed.values())).settings["blocks"])
        table = with_latency(table, timed, arms, margin(study), blocks)
    score = headline(study)
    return table if score is None else with_scores(table, study, arms, score.key)


def _edits(study: Frames, arms: Sequence[str]) -> list[str]:
    """Return how each arm's factors differ from those of the one before: "lateral: residual → conv1x1"."""
    factors = study.factors.drop_duplicates("arm").set_index("arm").drop(columns=["task", "dataset", "model"])
    rows = [factors.loc[arm].to_dict() for arm in arms]
    changes = [
        [f"{factor}: {before[factor]} → {after[factor]}" for factor in after if before[factor] != after[factor]]
        for before, after in itertools.pairwise(rows)
    ]
    return ["", *map(" and ".join, changes)]
