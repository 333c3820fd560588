"""Which arm to take: those within limits on cost and score, which of them may be the best, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skipbench.analysis.costs import at_least
from skipbench.analysis.frames import Frames
from skipbench.analysis.margins import margin_of
from skipbench.analysis.statistics import LEVEL, MIN_PAIRS, Comparison, compare, surely_beaten
from skipbench.analysis.statistics.ranks import resampled_means, stability
from skipbench.analysis.summaries import COSTS, INTERVALS, accuracy, headline, per_arm, scores
from skipbench.analysis.text import inside, listing
from skipbench.bench.errors import BenchError
from skipbench.bench.records.metrics import Metric

SURELY, UNSURE, HARDLY, OUTSIDE, UNKNOWN = "surely", "not surely", "hardly", "no", "not measured"  # kept limits
KEPT = (SURELY, UNSURE, HARDLY)
BEST, TOP, RIVAL, EQUAL = "the best", "best mean", "may be the best", "equal within the margin"
LOWER, CHEAPER, BEATEN = "lower", "lower, but costs less", "beaten"
ONLY, UNTESTED, FEW, UNRANKED = "only one", "too few seeds to test", "fewer seeds", "–"
SHORTLIST = (BEST, ONLY, TOP, RIVAL, EQUAL, UNTESTED)
NUMBERS = ["pairs", "difference", "difference_low", "difference_high", "seeds_needed"]


@dataclass(frozen=True)
class Limits:
    """What an arm may cost at most, by the cost's key, and what it has to score, in the score's recorded unit."""

    most: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None  # the least, or of a score of which less is better, the most

    def told(self, study: Frames, score: Metric) -> str:
        """Return the limits in words, "" where there are none: "median latency ≤ 20.00 ms"."""
        words = [
            f"{inside(study.metric(key).label)} ≤ {study.metric(key).show_unit(most)}"
            for key, most in self.most.items()
        ]
        if self.score is not None:
            words.append(f"{inside(score.label)} {'≥' if score.sign > 0 else '≤'} {score.show_unit(self.score)}")
        return listing(words) if words else ""


@dataclass(frozen=True)
class Recommendation:
    """The arms of one study, the best first, and what is known of each.

    `arms` has the columns arm, n (seeds), mean, low, high (t-interval), each cost of `costs` and the ends of its
    interval under their keys, `within` (how surely the limits are kept) and `verdict`; of arms that are ranked also
    `best_in` (the share of resamples of seeds in which the arm is first), `pairs`, `difference`, `difference_low`
    and `difference_high` (to the best mean, paired by seed, with its t-interval) and `seeds_needed`. What is not
    known is NaN.
    """

    study: Frames
    score: Metric
    limits: Limits
    costs: tuple[str, ...]
    arms: pd.DataFrame
    margin: float  # that the suite states for the score; NaN where it states none

    @property
    def shortlist(self) -> list[str]:
        """The arms that may be the best, the best mean first; a single one is the choice."""
        return list(self.arms.arm[self.arms.verdict.isin(SHORTLIST)])

    @property
    def undecided(self) -> pd.DataFrame:
        """The rows of the arms that more seeds may tell from the best."""
        return self.arms[self.arms.verdict.isin((RIVAL, UNTESTED))]

    @property
    def tested(self) -> bool:
        """Whether there are seeds enough for a test."""
        return bool(self.arms.n.max() >= MIN_PAIRS)


def recommend(study: Frames, limits: Limits) -> Recommendation:
    """Return what to take of the arms of one study within `limits`.

    Only the arms that most surely keep all limits are ranked: those with whole intervals within them, or else with
    means and medians, or else with parts of intervals; and of these, arms with as many seeds as a test takes or as
    the others have. The true best is on the shortlist in 95 % of
    cases: an arm is left out where the best mean is higher by a one-sided paired test, corrected for the number of
    other arms (multiple comparisons with the best; Hsu 1984). It is "beaten" where one that costs no more, in what
    is limited or else in MACs and latency, scores significantly higher. Raises BenchError where there is no choice.
    """
    score = headline(study)
    if score is None:
        raise BenchError(f"{study.title} has no finished training with a score: there is nothing to choose from.")
    table = accuracy(study, score.key).dropna(subset="mean").drop(columns=["model", "planned", "sd"])
    if len(table) < 2 or table.n.max() < 2:
        few = f"a score of {listing(table.arm)} only" if len(table) < 2 else "one seed of each arm"
        raise BenchError(f"{study.title} has {few}: to choose takes two arms with two seeds each.")
    for key in limits.most:
        if per_arm(study, key).empty:
            what = inside(study.metric(key).label)
            raise BenchError(f"{study.title} has no measured {what}, so no limit on it can be kept.")
    costs = tuple(limits.most) or tuple(key for key in COSTS if len(per_arm(study, key)))
    intervals = {key: _interval(study, key) for key in costs}
    for key in (end for cost in costs for end in (cost, *INTERVALS.get(cost, ()))):
        table[key] = per_arm(study, key).reindex(table.arm).to_numpy()
    table["within"] = [_within(row, intervals, limits, score) for row in table.to_dict("records")]
    if table.within.isin((OUTSIDE, UNKNOWN)).all():
        raise BenchError(_nearest(study, table, limits, score))
    table = _ranked(study, score, table, intervals)
    return Recommendation(study, score, limits, costs, table, margin_of(study, score.key))


def _interval(study: Frames, key: str) -> pd.DataFrame:
    """Return between which costs each arm lies, by arm: low, high; NaN where an uncertain cost has no interval."""
    low, high = (per_arm(study, end) for end in INTERVALS.get(key, (key, key)))
    table = pd.DataFrame({"low": low, "high": high})
    if study.metric(key).counted:
        table.loc[table.index.isin(at_least(study)), "high"] = math.inf
    return table


def _within(row: Mapping[Any, Any], intervals: Mapping[str, pd.DataFrame], limits: Limits, score: Metric) -> str:
    """Return how surely an arm keeps all limits: as surely as the one that it keeps least surely."""
    kept = {SURELY}
    for key, most in limits.most.items():
        edges = intervals[key].reindex([row["arm"]]).iloc[0]
        kept.add(_kept(row[key], edges.low, edges.high, most))
    if limits.score is not None:
        tested = row["n"] >= MIN_PAIRS
        low, high = sorted(row[end] * -score.sign if tested else math.nan for end in ("low", "high"))
        kept.add(_kept(row["mean"] * -score.sign, low, high, limits.score * -score.sign))
    return next(word for word in (UNKNOWN, OUTSIDE, *reversed(KEPT)) if word in kept)


def _kept(value: float, low: float, high: float, most: float) -> str:
    """Return how surely a value is at most `most`; without an interval it never surely is."""
    if math.isnan(value):
        return UNKNOWN
    if value <= most:
        return SURELY if high <= most else UNSURE
    return HARDLY if low <= most else OUTSIDE


def _nearest(study: Frames, table: pd.DataFrame, limits: Limits, score: Metric) -> str:
    """Return the sentence that no arm keeps the limits, with the one that comes nearest."""
    over = {key: table[key] / most for key, most in limits.most.items()}
    if limits.score is not None:
        over[score.key] = ((table["mean"] - limits.score) * -score.sign).clip(lower=0) / abs(limits.score or 1) + 1
    worst = pd.DataFrame(over).max(axis=1, skipna=False)
    sentence = f"no arm of {study.title} has {limits.told(study, score)}"
    if worst.isna().all():
        return f"{sentence}: none was measured in all of these."
    row = table.iloc[int(worst.argmin())]
    facts = [f"{inside(study.metric(key).label)} {study.metric(key).show_unit(row[key])}" for key in limits.most]
    facts.append(f"{inside(score.label)} {score.show_unit(row['mean'])}")
    return f"{sentence}; the nearest is {row.arm}, with {listing(facts)}."


def _ranked(
    study: Frames, score: Metric, table: pd.DataFrame, intervals: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return the arms, those that are ranked first, the best before the others, with what is known of each."""
    within = next(word for word in KEPT if (table.within == word).any())
    enough = table.n >= min(table.n[table.within == within].max(), MIN_PAIRS)
    table = table.assign(ranked=(table.within == within) & enough, quality=table["mean"] * score.sign)
    table = table.sort_values(["ranked", "quality"], ascending=False, kind="stable", ignore_index=True)
    facts = _compared(study, score, table[table.ranked], intervals).reindex(range(len(table)))
    left_out = pd.Series(np.where(table.within == within, FEW, UNRANKED))
    return table.drop(columns=["ranked", "quality"]).join(facts.assign(verdict=facts.verdict.fillna(left_out)))


def _compared(
    study: Frames, score: Metric, table: pd.DataFrame, intervals: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return of each ranked arm how it compares with the first, how often it is the best, and the verdict."""
    runs = scores(study, score.key).pivot(index="arm", columns="seed", values="value").loc[table.arm]
    pairs = [(runs.loc[arm] - runs.iloc[0]).dropna() for arm in runs.index[1:]]
    found = compare(pairs, margin_of(study, score.key), score.sign)
    testable = runs[runs.notna().sum(axis=1) >= MIN_PAIRS].reindex(runs.index)
    low, high = (
        np.array([interval.reindex(runs.index)[end] for interval in intervals.values()]).reshape(-1, len(runs)).T
        for end in ("low", "high")
    )
    beaten = surely_beaten(low, high, testable * score.sign)
    rows = [
        {
            "pairs": one.n,
            "difference": one.mean,
            "difference_low": one.low,
            "difference_high": one.high,
            "seeds_needed": one.seeds_needed,
        }
        for one in found
    ]
    return pd.DataFrame([{}, *rows], columns=NUMBERS, dtype=float).assign(
        best_in=_best_in(runs * score.sign),
        verdict=_verdicts(found, beaten.tolist(), table[list(intervals)], score.sign),
    )


def _best_in(runs: pd.DataFrame) -> list[float]:
    """Return how often each arm is first in resamples of the seeds that all have; NaN of fewer than MIN_PAIRS."""
    common = runs.dropna(axis=1)
    if common.shape[1] < MIN_PAIRS:
        return [math.nan] * len(runs)
    return list(stability(common.mean(axis=1), resampled_means(common)).first)


def _verdicts(found: Sequence[Comparison], beaten: Sequence[bool], costs: pd.DataFrame, sign: int) -> list[str]:
    """Return a word on each ranked arm, from the comparisons of all but the first with the first."""
    words = []
    for place, one in enumerate(found, 1):
        worse = one.mean * sign < 0 and one.p / 2 * len(found) < 1 - LEVEL
        if one.verdict == "equal":
            words.append(EQUAL)
        elif math.isnan(one.p):
            words.append(UNTESTED)
        elif beaten[place]:
            words.append(BEATEN)
        elif worse:
            words.append(CHEAPER if (costs.iloc[place] < costs.iloc[0]).any() else LOWER)
        else:
            words.append(RIVAL)
    if not words:
        return [ONLY]
    return [TOP if set(words) & set(SHORTLIST) else BEST, *words]


def seeds_wanted(found: Recommendation, most: int) -> int | None:
    """Return how many seeds would settle what at most `most` can; None where they would settle nothing."""
    needed = found.undecided.seeds_needed
    if not found.tested:
        needed = needed.clip(lower=MIN_PAIRS).fillna(MIN_PAIRS)
    reachable = needed[needed <= most]
    return int(reachable.max()) if len(reachable) else None


def scope(found: Recommendation) -> str:
    """Return the sentence on what a recommendation does not cover."""
    timed = [record.environment for record in found.study.finished("latency")]
    machines = {str(each.get("gpu") or each.get("cpu")) for each in timed if "latency_ms/median" in found.costs}
    machine = f", on one machine ({listing(sorted(machines))})" if machines else ""
    return f"It holds for these data and this recipe{machine}; other data or a longer training may say otherwise."
