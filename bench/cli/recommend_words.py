"""What `skipbench recommend` says: a table, sentences, and the commands to go on with."""

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipbench.analysis.recommendation import Recommendation
    from skipbench.bench.records.metrics import Metric

MOST_SEEDS = 50  # that a command lists; who needs more should choose by cost


def lines(found: "Recommendation") -> Iterator[dict[str, str]]:
    """Yield an arm's row of the table."""
    score, study = found.score, found.study
    for row in found.arms.to_dict("records"):
        ends = " to ".join(score.show(row[end]) for end in ("difference_low", "difference_high"))
        difference = f"{score.show(row['difference'], signed=True)} ({ends})" if row["pairs"] > 1 else "–"
        limited = {"within": row["within"]} if found.limits.most or found.limits.score is not None else {}
        yield {
            "arm": row["arm"],
            score.title: score.show(row["mean"]),
            "95 % interval": " to ".join(score.show(row[end]) for end in ("low", "high")),
            "seeds": str(row["n"]),
            **{study.metric(key).title: _cost(study.metric(key), row) for key in found.costs},
            **limited,
            "best in": _percent(row["best_in"]),
            "to the best mean": difference,
            "verdict": row["verdict"],
        }


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


def _cost(metric: "Metric", row: Mapping[Any, Any]) -> str:
    """Return a cost with its interval, where it has one."""
    from skipbench.analysis.summaries import INTERVALS

    ends = [metric.show(row[end]) for end in INTERVALS.get(metric.key, ()) if row[end] == row[end]]
    return f"{metric.show(row[metric.key])} ({' to '.join(ends)})" if ends else metric.show(row[metric.key])


def sentences(found: "Recommendation", directory: Path) -> Iterator[str]:
    """Yield what the table says: the choice, what is not sure, what would settle it, the commands, the scope."""
    from skipbench.analysis.recommendation import scope

    yield _answer(found)
    yield from _unsure(found)
    yield from _more(found, directory)
    best = found.arms.arm.iloc[0]
    command = export(found, directory, best)
    yield f"Export {best}: {command}" if command else f"{directory} keeps no trained network of {best} to export."
    yield scope(found)


def _answer(found: "Recommendation") -> str:
    """Return the sentence that names the choice, or the shortlist."""
    from skipbench.analysis.statistics import MIN_PAIRS
    from skipbench.analysis.text import listing

    names, best = found.shortlist, found.arms.iloc[0]
    ranked = int((found.arms.within == best.within).sum())
    score = found.score.show_unit(best["mean"])
    if ranked == 1:
        return f"Choice: {best.arm}, with {score}; no other arm keeps the limits as surely."
    if len(names) == 1:
        return f"Choice: {best.arm}, whose {score} are surely the best of the {ranked} arms that are compared."
    if not found.tested:
        return (
            f"Descriptive only, since a test takes {MIN_PAIRS} seeds: {best.arm} has the best mean, {score}, and "
            f"{listing(names[1:])} may be as good."
        )
    return (
        f"No single choice: {listing(names)} may each be the best, and with 95 % confidence one of them is; "
        f"{best.arm} has the best mean, and is first in {_percent(best.best_in)} of resamples of the seeds."
    )


def _unsure(found: "Recommendation") -> Iterator[str]:
    """Yield which arms are not ranked for want of certainty, and what is equal."""
    from skipbench.analysis.recommendation import EQUAL, FEW, HARDLY, UNKNOWN, UNSURE
    from skipbench.analysis.text import listing

    arms, limits = found.arms, found.limits
    equal, few = (list(arms.arm[arms.verdict == verdict]) for verdict in (EQUAL, FEW))
    unsure, unknown = (list(arms.arm[arms.within.isin(words)]) for words in ((UNSURE, HARDLY), (UNKNOWN,)))
    if equal:
        margin = found.score.show_unit(found.margin, signed=True).lstrip("+")
        yield f"Within the suite's margin of {margin}, {listing(equal)} cannot be told from it: choose by cost."
    if unsure:
        timing = (
            " (a longer timing, latency.time_limit_s, narrows it)" if "latency_ms/median" in limits.most else ""
        )
        higher = arms[
            arms.arm.isin(unsure) & (arms["mean"] * found.score.sign > arms["mean"][0] * found.score.sign)
        ]
        better = f"; {listing(higher.arm)} scored higher in the mean" if len(higher) else ""
        yield f"A limit lies inside the interval of {listing(unsure)}{timing}{better}."
    if unknown:
        yield f"Not measured, so left out: {listing(unknown)}."
    if few:
        yield f"Fewer seeds than the others, so left out: {listing(few)}."


def _more(found: "Recommendation", directory: Path) -> Iterator[str]:
    """Yield what more seeds would settle, and the command that adds them."""
    from skipbench.analysis.text import listing

    needed = dict(found.undecided.set_index("arm").seeds_needed.dropna())
    if needed:
        each = (f"{arm} takes {_many(number)}" for arm, number in needed.items())
        size = "differences as large as those seen" if math.isnan(found.margin) else "a difference of the margin"
        yield f"Seeds to tell others from the best mean, for {size}: {listing(each)}."
    if command := more_seeds(found, directory):
        yield f"Add seeds: {command}"
    elif needed:
        yield f"That is more than {MOST_SEEDS} seeds: choose by cost."


def _many(seeds: float) -> str:
    return "more than 1,000" if math.isinf(seeds) else f"{seeds:.0f}"


def more_seeds(found: "Recommendation", directory: Path) -> str | None:
    """Return the command that adds the seeds that would settle more, None where some dozens would not."""
    from skipbench.analysis.recommendation import seeds_wanted

    wanted = seeds_wanted(found, MOST_SEEDS)
    if wanted is None:
        return None
    cells = found.study.cells
    seeds = sorted({int(seed) for seed in cells.seed[cells.kind == "train"]})
    unused = (seed for seed in range(wanted + len(seeds)) if seed not in seeds)
    seeds += [next(unused) for _ in range(wanted - len(seeds))]
    override = f"{cells.task.iloc[0]}.seeds={sorted(seeds)}"
    return shlex.join(["skipbench", "run", str(directory / "suite.yaml"), override, "--out", str(directory)])


def export(found: "Recommendation", directory: Path, arm: str) -> str | None:
    """Return the command that exports an arm's network, None where the run keeps none."""
    from skipbench.bench.records import WEIGHTS

    kept = [record for record in found.study.finished("train") if record.arm == arm and WEIGHTS in record.artifacts]
    if not kept:
        return None
    where = ["--task", kept[0].task, "--dataset", kept[0].dataset, "--arm", arm]
    file = re.sub(r"[^\w.-]+", "_", f"{kept[0].task}_{arm}") + ".onnx"
    return shlex.join(["skipbench", "export", str(directory), *where, "--normalise", "--out", file])
