"""Measurements: no option of any is forgotten, every value is declared, and one that is broken fails in words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from skipbench.bench.measure import (
    MEASUREMENTS,
    Advance,
    Arm,
    Measurement,
    Options,
    measured_metrics,
    measurements,
    register_measurement,
)
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import load_suite
from skipbench.bench.training.elastic import Elastic
from skipbench.bench.training.recipe import Recipe


@pytest.fixture(autouse=True)
def _own_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let measurements that a test registers be gone after it."""
    monkeypatch.setattr(MEASUREMENTS, "_entries", dict(MEASUREMENTS._entries))


SHORT = ("seeds=[0]", "recipe.images=8")


class Nothing(Measurement[Options]):
    metrics = ()


class Bare(Nothing):
    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Any:
        return 3.0


class Broken(Nothing):
    def session(self, cells: Any, lacking: Any, advance: Advance) -> Any:
        raise ValueError("broken on purpose")


class Empty(Nothing):
    def session(self, cells: Any, lacking: Any, advance: Advance) -> Any:
        return {}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Nothing, "the measurement 'broken' has neither a `measure` nor a `session`."),
        (Bare, "the measurement 'broken' returns 3.0, expected an Outcome."),
        (Broken, "ValueError: broken on purpose (test_base.py, line "),
        (Empty, "the measurement 'broken' returns None, expected an Outcome."),
    ],
)
def test_one_that_breaks_the_contract_fails_its_own_cells_in_words(
    tiny_suite: str, tmp_path: Path, skipbench: Any, broken: type[Nothing], sentence: str
) -> None:
    register_measurement("broken")(broken)
    assert skipbench("run", tiny_suite, *SHORT, "--out", tmp_path / "run").code == 1
    for record in open_run(tmp_path / "run").records():
        assert record.status == ("failed" if record.kind == "broken" else "ok")
        assert sentence in (record.reason or sentence)


def test_every_value_that_a_measurement_leaves_is_declared_once(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    assert skipbench("run", tiny_suite, *SHORT, "--out", tmp_path / "run").code == 0
    declared = [metric.key for metric in measured_metrics()]
    assert len(set(declared)) == len(declared)
    left = {key for record in open_run(tmp_path / "run").records() for key in record.values}
    scores = {key for key in left if key.startswith(("test/", "val/"))} - set(declared)
    assert left - scores == set(declared)


def changes(options: BaseModel, place: str = "") -> Iterator[tuple[str, BaseModel]]:
    """Yield `options` with each of them changed alone, whether or not the other value is allowed, and its place."""
    for name, value in options:
        here = f"{place}.{name}"
        if isinstance(value, BaseModel):
            for inner, other in changes(value, here):
                yield inner, options.model_copy(update={name: other})
        else:
            yield here, options.model_copy(update={name: another(value, name)})


def another(value: Any, name: str) -> Any:
    if value is None:
        return Elastic() if name == "elastic" else 7
    if isinstance(value, dict):
        return {**value, "another": 7}
    if isinstance(value, tuple):
        return (*value[:-1], another(value[-1], name))
    return not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # values that are not allowed
@pytest.mark.parametrize("name", MEASUREMENTS.names())
def test_any_option_changes_the_identity_of_its_cells_and_of_no_others(tiny_suite: str, name: str) -> None:
    (study,) = make_plan(load_suite(tiny_suite)).studies
    before = {cell.cell_id for measurement in measurements() for cell in measurement(study).cells([0, 1])}
    asked = [f".{option}" for option in Recipe.asked]  # their answer, the number of images, is what counts
    changed_options = [(place, other) for place, other in changes(study.options[name]) if place not in asked]
    assert len(changed_options) >= len(type(study.options[name]).model_fields) - len(asked)
    for place, other in changed_options:
        arms = [replace(arm, options={**arm.options, name: other}) for arm in study.arms]
        changed = replace(study, options={**study.options, name: other}, arms=arms)
        for measurement in measurements():
            cells = {cell.cell_id for cell in measurement(changed).cells([0, 1])}
            assert len(cells & before) == (0 if measurement.name == name else len(cells)), place
