"""The answer that a study gives, in a few sentences computed from its facts."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps

import pandas as pd

from skipbench.analysis.audit import audit
from skipbench.analysis.breakdowns import breakdown, gap_effects, groups, measured_breakdowns
from skipbench.analysis.costs import at_least, bounds
from skipbench.analysis.frames import Frames
from skipbench.analysis.latency import margin, ratios, verdicts
from skipbench.analysis.paired import differences, effects
from skipbench.analysis.statistics import MIN_PAIRS
from skipbench.analysis.summaries import COSTS, accuracy, headline, per_arm, scores, tradeoff
from skipbench.analysis.text import count, inside, listing
from skipbench.bench.records.metrics import Breakdown, Metric

VERDICTS = {  # of one effect and of several, in words that follow a number
    "higher": ("surely raised it", "surely raised it"),
    "lower": ("surely lowered it", "surely lowered it"),
    "equal": ("surely made no difference that matters", "surely made no difference that matters"),
    "undecided": ("is undecided", "are undecided"),
    "descriptive": ("rests on too few seeds for a test", "rest on too few seeds for a test"),
}
Scored = Callable[[Frames, Metric], Iterable[str]]


def scored(finding: Scored) -> Callable[[Frames], list[str]]:
    """Return a finding on the study's headline score, without any sentence where a study has none."""

    @wraps(finding)
    def of_study(study: Frames) -> list[str]:
        score = headline(study)
        return [] if score is None else list(finding(study, score))

    return of_study


def answers(study: Frames, topic: str | None = None) -> list[str]:
    """Return what `study` found, a sentence for each result; what it cannot show is left to `limits`.

    With a `topic` ("gaps", "accuracy", "effects", "tradeoff", "cost", "latency") there are only those on it.
    """
    return [sentence for about, finding in FINDINGS if topic in (None, about) for sentence in finding(study)]


def lead(study: Frames) -> str:
    """Return the one sentence that answers what `study` asks: of its single choices, or else its best arm."""
    score = headline(study)
    table = effects(study, score.key).dropna(subset="mean") if score else pd.DataFrame()
    if score is None or table.empty:
        return in_short(study)
    factors = list(table["factor"].unique())
    counts = [
        f"{number} {words[number > 1]}"
        for verdict, words in VERDICTS.items()
        if (number := int((table.verdict == verdict).sum()))
    ]
    tried = f"{count(len(table), 'other choice')} of {listing(factors) if len(factors) < 4 else 'single factors'}"
    most = table.iloc[int(table["mean"].abs().argmax())]
    if most["mean"] == 0:
        return f"{tried[:1].upper()}{tried[1:]} made no difference in {score.label} at all."
    largest = f"{score.show_unit(most['mean'], signed=True)} ({most.label}; {_certainty(most, score)})"
    difference = "difference" if len(table) == 1 else "largest difference"
    return f"{score.label}: of {tried}, {listing(counts)}; the {difference} is {largest}."


def _certainty(effect: pd.Series, score: Metric) -> str:
    """Return the interval of an effect, its number of seeds, and its p-value where it was tested."""
    if effect.n < 2:
        return "1 seed, so no interval"
    low, high = (score.show(effect[end], signed=True) for end in ("low", "high"))
    p = "" if pd.isna(effect.p_holm) else f", Holm's p = {effect.p_holm:.2g}"
    return f"95 % interval {low} to {high} over {count(int(effect.n), 'paired seed')}{p}"


def in_short(study: Frames) -> str:
    """Return the one sentence that sums up `study` beside others: its best arm, or whatever else it has."""
    sentences = answers(study, "accuracy") if headline(study) else answers(study)
    return sentences[0] if sentences else "Nothing to compare yet."


def rivals(table: pd.DataFrame, score: Metric) -> tuple[pd.Series, pd.DataFrame]:
    """Return the row of an arm with the best mean, and the rows whose interval overlaps with its own.

    `table` has the columns of `accuracy`. Rows with exactly the best mean are among the rivals.
    """
    table = table.dropna(subset="mean")
    best = table.iloc[int((table["mean"] * score.sign).argmax())]
    overlap = (table.low <= best.high) & (table.high >= best.low)
    return best, table[(table.arm != best.arm) & (overlap | (table["mean"] == best["mean"]))]


def _named(best: pd.Series, others: pd.DataFrame) -> str:
    """Return the best arm's name, and that of every other with exactly the same mean."""
    equal = list(others.arm[others["mean"] == best["mean"]])
    return f"{listing([best.arm, *equal])}, exactly equal," if equal else str(best.arm)


def _completeness(study: Frames) -> Iterator[str]:
    states = study.cells.status.value_counts()
    total, done = len(study.cells), int(states.get("ok", 0))
    if done < total:
        failed, missing = int(states.get("failed", 0)), int(states.get("missing", 0))
        yield (
            f"The run is incomplete: {done} of {count(total, 'cell')} have a result, "
            f"{failed} failed, {missing} not run yet."
        )


@scored
def _best(study: Frames, score: Metric) -> Iterator[str]:
    best, others = rivals(accuracy(study, score.key), score)
    lead = f"Best mean {score.label}: {_named(best, others)} with {score.show_unit(best['mean'])}"
    if best.n < 2:
        yield f"{lead} (1 seed, so no interval)."
        return
    lead += f" ({count(best.n, 'seed')}, 95 % interval {score.show(best.low)} to {score.show(best.high)})"
    compared = int((accuracy(study, score.key).n > 1).sum()) - 1
    if compared:
        overlapping = f"{len(others)} overlap{'s' if len(others) == 1 else ''} with it"
        yield f"{lead}; of {count(compared, 'other arm')} with an interval, {overlapping}."
    else:
        yield f"{lead}; no other arm has an interval to compare it with."


@scored
def _spread(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key).dropna(subset="mean")
    runs = scores(study, score.key).groupby("arm")["value"]
    if len(table) < 2:
        return
    between = score.show_unit(float(table["mean"].max() - table["mean"].min()), signed=True).lstrip("+")
    sentence = f"The means of the {len(table)} arms span {between}"
    if table.n.max() > 1:
        within = score.show_unit(float((runs.max() - runs.min()).max()), signed=True).lstrip("+")
        sentence += f"; the seeds of a single arm differ by up to {within}"
    yield f"{sentence}."


@scored
def _groups(study: Frames, score: Metric) -> Iterator[str]:
    for by in (by for other, by in measured_breakdowns(study) if other == score):
        table = breakdown(study, by)
        if table.arm.nunique() > 1:
            best = []
            for group in groups(study, by):
                arm, others = rivals(table[table.group == group], score)
                overlapping = "1 seed" if arm.n < 2 else len(others)
                best.append(f"{group}, {_named(arm, others)} with {score.show_unit(arm['mean'])} [{overlapping}]")
            brackets = "in brackets, how many other arms' intervals overlap"
            yield f"Best mean {score.label} by {by.name} ({brackets}): {'; '.join(best)}."
        yield from _gaps(study, score, by)


def _gaps(study: Frames, score: Metric, by: Breakdown) -> Iterator[str]:
    table = gap_effects(study, by) if by.contrast else pd.DataFrame()
    if len(table) > 1:
        ends = [table.iloc[int(which)] for which in (table["mean"].argmin(), table["mean"].argmax())]
        low, high = (f"{score.show_unit(end['mean'], signed=True)} ({end.arm})" for end in ends)
        first, second = by.groups
        yield f"Mean {score.label} of {first} {by.contrast} minus that of {second} ones: from {low} to {high}."


@scored
def _factors(study: Frames, score: Metric) -> Iterator[str]:
    beyond = audit(study).set_index(["factor", "label"])["also"].to_dict()
    for factor, pairs in differences(study, score.key).groupby("factor", sort=False):
        effects = []
        for label, seeds in pairs.groupby("label", sort=False):
            runs = seeds["difference"]
            change = score.show_unit(float(runs.mean()), signed=True)
            higher = f"higher in {int((runs > 0).sum())} of {count(len(runs), 'seed')}"
            also = f"; also {beyond[factor, label]}" if beyond[factor, label] else ""
            effects.append(f"{label} = {change} ({higher}{also})")
        yield f"Mean difference in {score.label} by choice of {factor}, paired by seed: {'; '.join(effects)}."


@scored
def _fronts(study: Frames, score: Metric) -> Iterator[str]:
    tested = accuracy(study, score.key).n.max() >= MIN_PAIRS
    for key in COSTS:
        points = tradeoff(study, score, key).sort_values("cost")
        if len(points) > 1:
            beaten = list(points.arm[points.beaten])
            which = f"{listing(beaten)} {'is' if len(beaten) == 1 else 'are'}" if beaten else "no arm is"
            worse = (
                f"{which} significantly worse than one that costs no more"
                if tested
                else f"whether an arm is worse than one that costs no more takes {MIN_PAIRS} seeds to test"
            )
            named = points.arm.where(~points.at_least, points.arm + " (whose cost is a lower bound)")
            front = listing(named[points.on_front.to_numpy()])
            yield (
                f"{score.label} against {inside(study.metric(key).label)}: {worse}; "
                f"by the means alone, the Pareto front is {front}."
            )


def _costs(study: Frames) -> Iterator[str]:
    macs, label = per_arm(study, "macs/total"), study.metric("macs/total")
    if len(macs) > 1:
        unsure = at_least(study) & set(macs.index)
        ends = [f"{label.show_unit(end)} ({listing(macs.index[macs == end])})" for end in (macs.min(), macs.max())]
        bound = f"; those of {listing(sorted(unsure))} are a lower bound" if unsure else ""
        yield f"MACs range from {ends[0]} to {ends[1]}{bound}."


def _latencies(study: Frames) -> Iterable[str]:
    return verdicts(ratios(study), margin(study))


FINDINGS: tuple[tuple[str, Callable[[Frames], Iterable[str]]], ...] = (
    ("gaps", _completeness),
    ("accuracy", _best),
    ("accuracy", _spread),
    ("accuracy", _groups),
    ("effects", _factors),
    ("tradeoff", _fronts),
    ("cost", _costs),
    ("latency", _latencies),
    ("cost", bounds),
)
