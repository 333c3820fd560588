"""Two runs of the same arms, on two machines or by two versions: what agrees, and what changed beyond noise."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from skipbench.analysis.common_cells import Common, Pair, common_arms
from skipbench.analysis.frames import Frames
from skipbench.analysis.latency import between_sessions, verdict
from skipbench.analysis.margins import margin_of
from skipbench.analysis.provenance import elsewhere, redefined
from skipbench.analysis.statistics import MIN_PAIRS, Comparison, compare, holm
from skipbench.analysis.summaries import headline
from skipbench.analysis.text import count, listing
from skipbench.bench.errors import BenchError
from skipbench.bench.records import RunRecord
from skipbench.bench.records.metrics import Metric

Verdict = Literal["agrees", "changed", "undecided", "not comparable"]
VERDICTS: Mapping[str, Verdict] = {  # of scores and latencies; all else is undecided
    **dict.fromkeys(("equal", "tied"), "agrees"),
    **dict.fromkeys(("higher", "lower", "faster", "slower"), "changed"),
}
TOTALS = ("params/total", "macs/total", "peak_bytes/inference", "peak_bytes/training")  # that are named first
TIMED = "machine/"  # begins the keys of what the cost cells measure of the machine
MOST_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """What an arm's numbers of one kind are in the other run; `found` says it in words, with the reason."""

    verdict: Verdict
    found: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Agreement:
    """A finding, and what it is about."""

    kind: str  # the measurement: "cost", "train", "latency"
    task: str
    dataset: str
    arm: str
    finding: Finding


def agreements(first: Frames, second: Frames) -> list[Agreement]:
    """Return what agrees of the arms that both runs plan; numbers of two runs are never pooled.

    Cells are compared where arm, options, data and seed are the same, whatever computed them; others are "not
    comparable", with the reason. Counts have to be equal. Scores are paired by seed: equal to the bit, or else
    judged by `statistics.compare`, with Holm's correction for the arms of a study. Latencies are judged by
    `latency.between_sessions`, with the same correction. Raises BenchError where no arm is in both runs.
    """
    studies = {_name(study): study for study in second.studies()}
    found = [
        Agreement(str(kind), *_name(study), arm, finding)
        for study in first.studies()
        if _name(study) in studies
        for kind in study.cells.kind.unique()
        for arm, finding in _findings(study, studies[_name(study)], str(kind))
    ]
    if not found:
        one, other = (listing(study.title for study in run.studies()) for run in (first, second))
        raise BenchError(f"the runs have no arm in common: {one} in the first, {other} in the other.")
    return found


def _name(study: Frames) -> tuple[str, str]:
    return str(study.cells.task.iloc[0]), str(study.cells.dataset.iloc[0])


def _findings(first: Frames, second: Frames, kind: str) -> Iterator[tuple[str, Finding]]:
    common = list(common_arms(first, second, kind))
    comparable = [arm for arm in common if not arm.why_not]
    judge = JUDGES.get(kind, _unknown)
    found = dict(zip([arm.arm for arm in comparable], judge(first, second, comparable), strict=True))
    for arm in common:
        yield arm.arm, Finding("not comparable", arm.why_not) if arm.why_not else found[arm.arm]


def _counts(first: Frames, second: Frames, arms: Sequence[Common]) -> Iterator[Finding]:
    """Yield whether what is counted is the same; what is timed of the machine is left out."""
    for arm in arms:
        keys = [key for key in _keys(arm.pairs[0]) if not key.startswith(TIMED)]
        changed = _changes(arm.pairs, keys)
        totals = [first.metric(key) for key in TOTALS if key in keys]
        facts = ", ".join(
            f"{metric.label} {metric.show_unit(arm.pairs[0][0].values[metric.key])}" for metric in totals
        )
        yield Finding("changed", changed) if changed else Finding("agrees", f"all {len(keys)} are equal; {facts}")


def _unknown(first: Frames, second: Frames, arms: Sequence[Common]) -> Iterator[Finding]:
    """Yield whether the numbers of a measurement are equal of whose noise nothing is known."""
    for arm in arms:
        changed = _changes(arm.pairs, _keys(arm.pairs[0]))
        unsure = Finding("undecided", f"{changed}; nothing is known of its noise")
        yield unsure if changed else Finding("agrees", "every number is equal")


def _keys(pair: Pair) -> list[str]:
    """Return what both records have values of, totals first."""
    keys = [key for key in pair[0].values if key in pair[1].values]
    return sorted(keys, key=lambda key: key not in TOTALS)


def _changes(pairs: Sequence[Pair], keys: Sequence[str]) -> str:
    """Return which values differ: "params/total 1,000 → 1,010"."""
    told = [
        f"{key} {one.values[key]:,.10g} → {two.values[key]:,.10g}"
        for one, two in pairs
        for key in keys
        if one.values.get(key) != two.values.get(key)
    ]
    return listing(
        [*told[:MOST_NAMED], *([f"{len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else [])] or [""]
    )


def _scores(first: Frames, second: Frames, arms: Sequence[Common]) -> Iterator[Finding]:
    """Yield what became of the headline score at equal seeds."""
    score, other = headline(first), headline(second)
    if score is None or other is None:
        yield from (Finding("not comparable", "no score") for _ in arms)
        return
    if why := redefined(score, other):
        yield from (Finding("not comparable", why) for _ in arms)
        return
    known = {arm.arm: [pair for pair in arm.pairs if all(score.key in one.values for one in pair)] for arm in arms}
    changed = [arm for arm, pairs in known.items() if pairs and not _same_bits(pairs)]
    differences = [[two.values[score.key] - one.values[score.key] for one, two in known[arm]] for arm in changed]
    compared = dict(zip(changed, compare(differences, margin_of(first, score.key), score.sign), strict=True))
    for arm, pairs in known.items():
        if arm in compared:
            yield _of_scores(score, compared[arm])
        elif pairs:
            found = f"every score is equal to the bit, {count(len(pairs), 'seed')}"
            yield Finding("agrees", found, {"n": len(pairs)})
        else:
            yield Finding("not comparable", f"no {score.label} in both runs")


def _same_bits(pairs: Sequence[Pair]) -> bool:
    return not _changes(pairs, [key for key in _keys(pairs[0]) if key.startswith("test/")])


def _of_scores(score: Metric, one: Comparison) -> Finding:
    found = f"{score.label} {score.show_unit(one.mean, signed=True)}"
    if one.n > 1:
        found += f" ({score.show(one.low, signed=True)} to {score.show(one.high, signed=True)})"
    found += f", {count(one.n, 'seed')}"
    if one.verdict == "descriptive":
        found += f": a test takes {MIN_PAIRS}"
    elif one.verdict == "equal":
        found += f": within the margin of {score.show_unit(one.margin, signed=True).lstrip('+')}"
    else:
        found += f", p = {one.p_holm:.2g}"
    names = ("n", "mean", "low", "high", "p_holm", "margin", "seeds_needed")
    return Finding(VERDICTS.get(one.verdict, "undecided"), found, {name: getattr(one, name) for name in names})


def _latencies(first: Frames, second: Frames, arms: Sequence[Common]) -> Iterator[Finding]:
    """Yield the ratio of each arm's latencies, with where they were measured."""
    timed = [arm for arm in arms if all(record.blocks for record in arm.pairs[0])]
    ratios = [between_sessions(*arm.pairs[0]) for arm in timed]
    corrected = dict(
        zip((arm.arm for arm in timed), zip(ratios, holm([one.p for one in ratios]), strict=True), strict=True)
    )
    for arm in arms:
        if arm.arm not in corrected:
            yield Finding("not comparable", "not timed in blocks")
            continue
        one, p_holm = corrected[arm.arm]
        margin = max(float(record.settings["margin"]) for record in arm.pairs[0])
        numbers = {"ratio": one.ratio, "low": one.low, "high": one.high, "p_holm": float(p_holm), "margin": margin}
        word = VERDICTS.get(verdict(one.ratio, one.low, one.high, float(p_holm), margin), "undecided")
        yield Finding(word, _of_latency(first.metric("latency_ms/median"), arm.pairs[0], numbers), numbers)


def _of_latency(metric: Metric, pair: tuple[RunRecord, RunRecord], numbers: Mapping[str, float]) -> str:
    before, after = (metric.show_unit(record.values[metric.key]) for record in pair)
    places = elsewhere(*pair)
    where = f"other {listing(places)}" if places else "the same environment"
    interval = "" if math.isnan(numbers["low"]) else f" ({numbers['low']:.3f} to {numbers['high']:.3f})"
    return f"from {before} to {after}, {numbers['ratio']:.3f} times{interval}; {where}"


Judge = Callable[[Frames, Frames, Sequence[Common]], Iterator[Finding]]
JUDGES: Mapping[str, Judge] = {"cost": _counts, "train": _scores, "latency": _latencies}
