"""The answer that a study gives, in a few sentences computed from its facts."""

from collections.abc import Iterator

import pandas as pd

from analysis.breakdowns import breakdown, gap_effects, groups, measured_breakdowns
from analysis.frames import Frames
from analysis.latency import margin, ratios, verdicts
from analysis.metrics import VISIBILITY, Breakdown, Metric, metric
from analysis.paired import fusion_differences, fusion_pairs
from analysis.summaries import COSTS, accuracy, headline, scores, tradeoff
from analysis.text import count, inside, listing

MACS = "macs/total"


def answers(study: Frames) -> list[str]:
    """Return what `study` found, one finding a sentence; what it can't show is left to `limits`."""
    score = headline(study)
    if score is None:
        return [*_completeness(study), *_costs(study)]
    findings = (_best, _spread, _groups, _fusions, _fronts)
    scored = [sentence for finding in findings for sentence in finding(study, score)]
    return [*_completeness(study), *scored, *_costs(study)]


def in_short(study: Frames) -> str:
    """Return the one sentence to say of `study` beside others: its best arm, or what it has instead."""
    score = headline(study)
    found = list(_best(study, score)) if score else answers(study)
    return found[0] if found else "Nothing to compare yet."


def rivals(study: Frames, score: Metric) -> tuple[pd.Series, pd.DataFrame]:
    """Return the row of `accuracy` with the best mean, and the rows whose interval overlaps with its own."""
    table = accuracy(study, score.key).dropna(subset="mean")
    best = table.iloc[int((table["mean"] * score.sign).argmax())]
    others = table[(table.arm != best.arm) & (table.low <= best.high) & (table.high >= best.low)]
    return best, others


def _completeness(study: Frames) -> Iterator[str]:
    states = study.cells.status.value_counts()
    total, done = len(study.cells), int(states.get("ok", 0))
    if done < total:
        failed, missing = int(states.get("failed", 0)), int(states.get("missing", 0))
        yield (
            f"The run is incomplete: {done} of {count(total, 'cell')} have a result, "
            f"{failed} failed, {missing} not run yet."
        )


def _best(study: Frames, score: Metric) -> Iterator[str]:
    best, others = rivals(study, score)
    lead = f"Best mean {score.label}: {best.arm} with {score.show_unit(best['mean'])}"
    if best.n < 2:
        yield f"{lead} (1 seed, so no interval)."
        return
    lead += f" ({count(best.n, 'seed')}, 95 % interval {score.show(best.low)} to {score.show(best.high)})"
    compared = int((accuracy(study, score.key).n > 1).sum()) - 1
    if compared:
        arms = count(compared, "other arm")
        yield f"{lead}; the intervals of {len(others)} of the {arms} that have one overlap with it."
    else:
        yield f"{lead}; no other arm has an interval to compare it with."


def _spread(study: Frames, score: Metric) -> Iterator[str]:
    table = accuracy(study, score.key).dropna(subset="mean")
    runs = scores(study, score.key).groupby("arm")["value"]
    if len(table) < 2:
        return
    between = score.show_unit(float(table["mean"].max() - table["mean"].min()), signed=True).lstrip("+")
    sentence = f"The means of the {len(table)} arms lie within {between}"
    if table.n.max() > 1:
        within = score.show_unit(float((runs.max() - runs.min()).max()), signed=True).lstrip("+")
        sentence += f"; the seeds of a single arm differ by up to {within}"
    yield f"{sentence}."


def _groups(study: Frames, score: Metric) -> Iterator[str]:
    for by in (by for other, by in measured_breakdowns(study) if other == score):
        table = breakdown(study, by)
        best = [_best_of(table[table.group == group], score) for group in groups(study, by)]
        if table.arm.nunique() > 1:
            yield f"Best mean {score.label} by {by.name}; {'; '.join(best)}."
        yield from _gaps(study, score, by)


def _best_of(rows: pd.DataFrame, score: Metric) -> str:
    best = rows.iloc[int((rows["mean"] * score.sign).argmax())]
    return f"{best.group}: {best.arm} ({score.show_unit(best['mean'])})"


def _gaps(study: Frames, score: Metric, by: Breakdown) -> Iterator[str]:
    table = gap_effects(study, by) if by.groups == VISIBILITY else pd.DataFrame()
    if len(table) > 1:
        ends = [table.iloc[int(which)] for which in (table["mean"].argmin(), table["mean"].argmax())]
        low, high = (f"{score.show_unit(end['mean'], signed=True)} ({end.arm})" for end in ends)
        yield f"Mean {score.label} of visible joints less that of occluded ones: from {low} to {high}."


def _fusions(study: Frames, score: Metric) -> Iterator[str]:
    differences = fusion_differences(study, score.key)
    effects = []
    for pair in fusion_pairs(study).to_dict("records"):
        runs = differences.loc[differences.arm == pair["arm"], "difference"]
        if len(runs):
            change = score.show_unit(float(runs.mean()), signed=True)
            higher = f"higher in {int((runs > 0).sum())} of {count(len(runs), 'seed')}"
            effects.append(f"{pair['label']} = {change} ({higher})")
    if effects:
        yield f"Mean change of {score.label} by fusion, paired by seed: {'; '.join(effects)}."


def _fronts(study: Frames, score: Metric) -> Iterator[str]:
    points = {key: tradeoff(study, score, key) for key in COSTS}
    fronts = [
        f"against {inside(metric(key).label)} {listing(found[found.on_front].sort_values('cost').arm)}"
        for key, found in points.items()
        if len(found) > 1
    ]
    if fronts:
        yield f"Pareto front of mean {score.label}: {'; '.join(fronts)}."


def _costs(study: Frames) -> Iterator[str]:
    costs, cost = study.values[study.values["key"] == MACS].set_index("arm")["value"], metric(MACS)
    if len(costs) > 1:
        low, high = str(costs.idxmin()), str(costs.idxmax())
        ends = f"from {cost.show_unit(costs[low])} ({low}) to {cost.show_unit(costs[high])} ({high})"
        yield f"{cost.label} {ends}."
    yield from verdicts(ratios(study), margin(study))
