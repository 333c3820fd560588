"""The contract of a measurement: declared, finite values, and cells that are the same in every plan."""

import json
import math
from functools import partial
from itertools import combinations
from typing import Any

from skipbench.archs.testing import run_check
from skipbench.bench.advance import Advance
from skipbench.bench.attempt import Failure
from skipbench.bench.measure import Forecast, Measurement, measurements
from skipbench.bench.records import Cell, Outcome
from skipbench.bench.records.metrics import Measured
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import load_suite
from skipbench.bench.tasks import TASKS, plugged_metrics
from skipbench.contracts import Finding, require

SMALL = (  # of the suite quick, one study of which is measured
    "arms=[{model: fpn}]",
    "seeds=[0]",
    "data.size=[64, 64]",
    "data.train=8",
    "data.val=4",
    "data.test=4",
    "recipe.images=16",
    "recipe.validations=1",
)


def check_measurement(measurement: type[Measurement[Any]], *overrides: str) -> list[Finding]:
    """Return one Finding per check of a registered measurement, on a small study of one arm.

    `overrides` are those of a suite, such as "peak_memory.batch_size=4". Whatever it raises becomes a finding.
    """
    checks = {
        "declarations": check_declarations,
        "cells": check_cells,
        "forecast": check_forecast,
        "values": check_values,
    }
    made: list[tuple[Measurement[Any], list[Cell]]] = []

    def planned() -> str:
        made.extend(_planned(measurement, overrides) for _ in range(2))
        own = ", ".join(made[0][0].options.model_dump()) or "none"
        return f"of the section '{measurement.section}': {own}"

    first = run_check("options", planned)
    return [first, *(run_check(name, partial(check, *made)) for name, check in checks.items() if len(made) == 2)]


Planned = tuple[Measurement[Any], list[Cell]]


def _planned(measurement: type[Measurement[Any]], overrides: tuple[str, ...]) -> Planned:
    (study,) = make_plan(load_suite("quick", [*SMALL, *overrides], tasks=["segmentation"])).studies
    return measurement(study), list(measurement(study).cells([0]))


def check_declarations(planned: Planned, again: Planned) -> str:
    """It declares its values under keys that no other measurement has."""
    own = type(planned[0])
    others = [metric for other in measurements() if other is not own for metric in other.metrics]
    pairs = [*combinations(own.metrics, 2), *((mine, other) for mine in own.metrics for other in others)]
    for mine, other in pairs:
        require(not mine.overlaps(other), f"duplicate key '{mine.key}': choose another one.")
    return ", ".join(metric.key for metric in own.metrics[:5]) + ", ..." * (len(own.metrics) > 5)


def check_cells(planned: Planned, again: Planned) -> str:
    """The same suite has the same cells, each once."""
    ids, others = ([cell.cell_id for cell in cells] for _, cells in (planned, again))
    require(bool(ids), "a study of one arm and one seed has no cells.")
    require(
        len({*ids}) == len(ids),
        f"several cells have the same identity: {', '.join(cell.name for cell in planned[1])}.",
    )
    require(ids == others, "the same suite has different cells when it is planned again: leave out what changes.")
    return ", ".join(cell.name for cell in planned[1])


def check_forecast(planned: Planned, again: Planned) -> str:
    """It says how long a cell takes."""
    measurement, _ = planned
    forecast = measurement.forecast(measurement.study.arms[0])
    require(isinstance(forecast, Forecast), f"`forecast` returns {forecast!r:.80}, expected a Forecast.")
    require(0 <= forecast.seconds < math.inf, f"`forecast` says that a cell takes {forecast.seconds} s.")
    return f"about {forecast.seconds:.1f} s per cell"


def check_values(planned: Planned, again: Planned) -> str:
    """Each cell has an outcome, whose values are declared, finite and in their ranges."""
    measurement, cells = planned
    outcomes = measurement.session(cells, {cell.cell_id for cell in cells}, Advance())
    counts = []
    for cell in cells:
        outcome = outcomes.get(cell.cell_id)
        require(not isinstance(outcome, Failure), f"{cell.name} fails: {getattr(outcome, 'reason', '')}")
        if not isinstance(outcome, Outcome):
            require(False, f"{cell.name} returns {outcome!r:.80}, expected an Outcome.")
            continue
        require(bool(outcome.values), f"{cell.name} measures no values.")
        for key, value in outcome.values.items():
            declared = [metric for metric in measurement.study.metrics if metric.holds(key)]
            require(bool(declared), f"'{key}' is not declared: add it to {type(measurement).__name__}.metrics.")
            require(math.isfinite(value), f"'{key}' is {value}: leave out unknown values.")
            require(declared[0].within(value), f"'{key}' is {value:g}, outside its declared range.")
        json.dumps(outcome.settings)
        counts.append(len(outcome.values))
    return f"{' and '.join(map(str, counts))} values"


def declarations(task: str = "segmentation") -> dict[str, Measured]:
    """Return what each measurement of a study of `task` can leave, for reports.testing to make some up."""
    scores = [
        score for scorer in (*TASKS[task].scorers, *plugged_metrics(task).values()) for score in scorer.scores
    ]
    declared = {
        measurement.name: Measured(measurement.metrics, measurement.seeded) for measurement in measurements()
    }
    tested = (*(score.on("test") for score in scores), *(score.on("val") for score in scores))
    return declared | {"train": Measured((*tested, *declared["train"].metrics), seeded=True)}
