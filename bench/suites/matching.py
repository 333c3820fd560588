"""Equal budgets in a suite: every arm as it is, and once more with the width that brings it to the budget."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skipbench.bench.errors import StoreError, SuiteError
from skipbench.bench.measure import Arm
from skipbench.bench.measure.budgets import LATENCY, Budget, Fitted, remarks
from skipbench.bench.records.budgets import BUDGETS, MATCHED, RAW
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.schema import Match, Suite
from skipbench.display import extended, shown, without


@dataclass(frozen=True)
class Matched:
    """A study's arms, each followed by its double at the budget; what was chosen, in sentences; widths to keep."""

    arms: list[Arm]
    notes: list[str]
    solved: dict[str, Any]


def matched_arms(match: Match, arms: list[Arm]) -> Matched:
    """Return the arms with their doubles at the budget; none of one that is within it, nor one that is an arm.

    Raises BenchError where the target is no arm or an arm cannot be brought to it, SuiteError where a double has
    the name of an arm.
    """
    options = arms[0].options
    budget = Budget(match.by, options["cost"].size, options["latency"], match.solved)  # type: ignore[attr-defined]
    fitted = budget.fit({arm.name: arm.spec for arm in arms}, match.to)
    doubles = {arm.name: _double(arm, fitted[arm.name], match.by) for arm in arms if fitted[arm.name].changed}
    there = [(arm.spec, arm.options) for arm in arms]
    chosen: list[Arm] = []
    for arm in arms:
        twins = [
            double.name for double in doubles.values() if (double.spec, double.options) == (arm.spec, arm.options)
        ]
        fits = not fitted[arm.name].changed or twins
        chosen.append(replace(arm, varied={**arm.varied, MATCHED: f"{RAW}, {match.by}" if fits else RAW}))
        double = doubles.get(arm.name)
        if double and (double.spec, double.options) not in there:
            there.append((double.spec, double.options))
            chosen.append(double)
    names = [arm.name for arm in chosen]
    for name in names:
        if names.count(name) > 1:
            raise SuiteError(f"two different arms are called '{name}'; give each its own name.")
    return Matched(chosen, list(_notes(match, budget, fitted)), _solved(match, budget, arms, fitted))


def _double(arm: Arm, fitted: Fitted, by: str) -> Arm:
    name = without(arm.name, "width", shown(arm.spec.to_dict()["width"]))
    return replace(arm, name=extended(name, MATCHED, by), spec=fitted.spec, varied={**arm.varied, MATCHED: by})


def _notes(match: Match, budget: Budget, fitted: Mapping[str, Fitted]) -> Iterator[str]:
    what = f"what {match.to} has" if isinstance(match.to, str) else "the number given"
    for name, one in fitted.items():
        if one.changed:
            yield f"{name}: {budget.chosen(one, what)}"
            yield from (f"{name}: {remark}" for remark in remarks(one))
    if same := [name for name, one in fitted.items() if not one.changed]:
        yield f"At equal {BUDGETS[match.by].label} as they are: {', '.join(same)}."


def _solved(match: Match, budget: Budget, arms: list[Arm], fitted: Mapping[str, Fitted]) -> dict[str, Any]:
    """Return the widths that were timed, by what was asked: a later session would choose others."""
    if match.by != LATENCY:
        return {}
    target = next((arm.spec for arm in arms if arm.name == match.to), match.to)
    return {budget.question(arm.spec, target): fitted[arm.name].spec.to_dict()["width"] for arm in arms}


def with_widths_of(suite: Suite, directory: Path) -> Suite:
    """Return the suite with the widths that the run in `directory`, if there is one, found by timing."""
    try:
        earlier = open_run(directory).suite.get("studies", [])
    except StoreError:  # whoever opens it for writing says why
        return suite
    solved = {
        key: width for study in earlier for key, width in (study.get("match") or {}).get("solved", {}).items()
    }
    studies = [
        study.model_copy(
            update={"match": study.match.model_copy(update={"solved": {**solved, **study.match.solved}})}
        )
        if study.match and study.match.by == LATENCY
        else study
        for study in suite.studies
    ]
    return suite.model_copy(update={"studies": studies})
