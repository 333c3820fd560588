"""Equal budgets in a suite: every arm as it is, and once more with the width that brings it to the budget."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from skipbench.bench.errors import StoreError, SuiteError
from skipbench.bench.measure import Arm
from skipbench.bench.measure.budgets import LATENCY, UNREACHED, Budget, Fits, remarks
from skipbench.bench.measure.cost import CostOptions
from skipbench.bench.measure.latency import LatencyOptions
from skipbench.bench.measure.paced import Fitted
from skipbench.bench.records.budgets import BUDGETS, MATCHED, RAW
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.schema import Match, Study, Suite
from skipbench.display import extended, shown, without


@dataclass(frozen=True)
class Matched:
    """A study's arms, each followed by its double at the budget; what was chosen, in sentences; widths to keep."""

    arms: list[Arm]
    notes: list[str]
    solved: dict[str, Any]


def matched_arms(match: Match, arms: list[Arm]) -> Matched:
    """Return the arms with their doubles at the budget; none of one that is within it, nor one that is an arm.

    An arm that no width brings to the budget is measured as it is, and a note says why, if two others are at it.
    Raises BenchError where the target is no arm or fewer are, SuiteError where a double has the name of an arm.
    """
    options = arms[0].options
    size, timing = cast(CostOptions, options["cost"]).size, cast(LatencyOptions, options["latency"])
    assert size is not None  # a plan leaves no size to the data
    budget = Budget(match.by, size, timing, match.solved)
    fits = budget.fit({arm.name: arm.spec for arm in arms}, match.to)
    fitted = fits.fitted
    doubles = {
        arm.name: _double(arm, fitted[arm.name], match.by)
        for arm in arms
        if arm.name in fitted and fitted[arm.name].changed
    }
    whole: list[Arm] = []
    for arm in arms:
        double = doubles.get(arm.name)
        within = (double is None and arm.name in fitted) or any(_same(arm, other) for other in doubles.values())
        whole.append(replace(arm, varied={**arm.varied, MATCHED: f"{RAW}, {match.by}" if within else RAW}))
        if double and not any(_same(double, other) for other in [*arms, *whole]):
            whole.append(double)
    names = [arm.name for arm in whole]
    for name in names:
        if names.count(name) > 1:
            raise SuiteError(f"two different arms are called '{name}'; give each its own name.")
    return Matched(whole, list(_notes(match, budget, fits)), _solved(match, budget, arms, fitted))


def _same(one: Arm, other: Arm) -> bool:
    return (one.spec, one.options) == (other.spec, other.options)


def _double(arm: Arm, fitted: Fitted, by: str) -> Arm:
    name = without(arm.name, "width", shown(arm.spec.to_dict()["width"]))
    return replace(arm, name=extended(name, MATCHED, by), spec=fitted.spec, varied={**arm.varied, MATCHED: by})


def _notes(match: Match, budget: Budget, fits: Fits) -> Iterator[str]:
    fitted = fits.fitted
    for name, why in fits.missed.items():
        yield f"{name} is left out where {BUDGETS[match.by].label} are equal, and measured as it is: {why}"
    what = f"what {match.to} has" if isinstance(match.to, str) else "the number given"
    for name, one in fitted.items():
        if one.changed:
            yield f"{name}: {budget.chosen(one, what)}"
            yield from (f"{name}: {remark}" for remark in remarks(one))
    same = [name + budget.amounts(one) for name, one in fitted.items() if not one.changed]
    if same:
        yield f"At equal {BUDGETS[match.by].label} as they are: {'; '.join(same)}."


def _solved(match: Match, budget: Budget, arms: list[Arm], fitted: Mapping[str, Fitted]) -> dict[str, Any]:
    """Return the widths that were timed, by what was asked: a later session would choose others."""
    if match.by != LATENCY:
        return {}
    target = match.to if isinstance(match.to, float) else next(arm.spec for arm in arms if arm.name == match.to)
    widths = {name: one.spec.to_dict()["width"] for name, one in fitted.items()}
    return {budget.question(arm.spec, target): widths.get(arm.name, UNREACHED) for arm in arms}


def with_widths_of(suite: Suite, directory: Path) -> Suite:
    """Return the suite with the widths that the run in `directory`, if there is one, has found by timing."""
    if not any(study.match and study.match.by == LATENCY for study in suite.studies):
        return suite
    try:
        studies = open_run(directory).suite["studies"]
        solved = {
            key: width for study in studies for key, width in study.get("match", {}).get("solved", {}).items()
        }
        return suite.model_copy(update={"studies": [_with_widths(study, solved) for study in suite.studies]})
    except (StoreError, ValueError, LookupError, TypeError, AttributeError):
        return suite  # there is none, or a damaged one, which whoever opens it for writing refuses


def _with_widths(study: Study, solved: Mapping[str, Any]) -> Study:
    if study.match is None:
        return study
    match = Match.model_validate(
        {**study.match.model_dump(by_alias=True), "solved": {**solved, **study.match.solved}}
    )
    return study.model_copy(update={"match": match})
