"""Measurements keep the contract, and what breaks it is said in words."""

import math
from typing import Any

import pytest

from skipbench.bench.measure import MEASUREMENTS, Advance, Arm, Forecast, Measurement, Options, register_measurement
from skipbench.bench.records import Outcome
from skipbench.bench.records.metrics import Metric
from skipbench.bench.testing import check_measurement, declarations

QUICK = ("latency.blocks=3", "latency.processes=0", "latency.time_limit_s=0.01", "latency.block_s=0")


@pytest.fixture(autouse=True)
def _own_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let measurements that a test registers be gone after it."""
    monkeypatch.setattr(MEASUREMENTS, "_entries", dict(MEASUREMENTS._entries))


@pytest.mark.parametrize("name", MEASUREMENTS.names())
def test_every_measurement_keeps_the_contract(name: str) -> None:
    findings = check_measurement(MEASUREMENTS[name], *QUICK)
    assert [finding.check for finding in findings] == ["options", "declarations", "cells", "forecast", "values"]
    assert [finding.message for finding in findings if not finding.ok] == []


class Weight(Measurement[Options]):
    metrics = (Metric("weight/kg", "Weight", "kg", "lower", least=0),)
    found: Any = Outcome({"weight/kg": 3.0})
    told: Any = Forecast(1.0)

    def forecast(self, arm: Arm) -> Any:
        return self.told

    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        (
            {"found": Outcome({"weight/lb": 3.0})},
            "values",
            "'weight/lb' is not declared: add it to Broken.metrics.",
        ),
        ({"found": Outcome({"weight/kg": math.nan})}, "values", "'weight/kg' is nan: leave out unknown values."),
        ({"found": Outcome({"weight/kg": -1.0})}, "values", "'weight/kg' is -1, outside its declared range."),
        ({"found": Outcome({})}, "values", "measures no values."),
        ({"found": 3.0}, "values", "returns 3.0, expected an Outcome."),
        ({"found": ValueError("no scales")}, "values", "fails: ValueError: no scales"),
        ({"told": 3.0}, "forecast", "`forecast` returns 3.0, expected a Forecast."),
        ({"told": Forecast(math.nan)}, "forecast", "`forecast` says that a cell takes nan s."),
        (
            {"metrics": (Metric("train/seconds", "Time"),), "found": Outcome({"train/seconds": 1.0})},
            "declarations",
            "duplicate key 'train/seconds'",
        ),
        ({"cells": lambda self, seeds: iter(())}, "cells", "a study of one arm and one seed has no cells."),
    ],
)
def test_what_breaks_the_contract_is_said_in_words(changed: dict[str, Any], check: str, says: str) -> None:
    measurement = register_measurement("weight")(type("Broken", (Weight,), changed))
    findings = {finding.check: finding for finding in check_measurement(measurement)}
    assert [name for name, finding in findings.items() if not finding.ok] == [check]
    assert says in findings[check].message


def test_what_is_declared_of_a_study_is_its_measurements_and_its_tasks_scores() -> None:
    declared = declarations("pose")
    assert list(declared) == sorted(MEASUREMENTS.names(), key=lambda name: MEASUREMENTS[name].weight)
    assert [name for name, measured in declared.items() if measured.seeded] == ["train"]
    keys = [metric.key for metric in declared["train"].metrics]
    assert {"test/pck@0.1", "val/error_px", "train/seconds"} < {*keys}
