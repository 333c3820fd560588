"""Runs what a plan still lacks. A cell that fails leaves a record with its reason, and the others go on."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from archs import ArchSpec, build_model
from bench.attempt import Failure, attempt
from bench.cost import cost
from bench.display import one_line
from bench.environment import environment
from bench.grid import Plan, StudyPlan
from bench.inputs import random_images
from bench.latency import LatencyOptions, measure_latency
from bench.progress import Advance, RunProgress
from bench.records import Cell, RunRecord
from bench.roofline import machine_limits
from bench.store import RunWriter, write_run
from bench.training import train


def run_plan(plan: Plan, directory: Path, console: Console) -> list[RunRecord]:
    """Measure every cell of `plan` that `directory` lacks, and return all records of the run.

    A cell that failed before is tried again. Raises StoreError where the folder cannot be used; whatever
    ends the process, the cells that were finished by then are kept.
    """
    declared = {study.name: study.metrics for study in plan.studies}
    with write_run(directory, plan.suite, plan.cells, declared) as run:
        found = run.outcomes()
        missing = found.missing
        names = {cell.cell_id: cell.name for cell in plan.cells}
        for cell_id, reason in found.unreadable.items():
            name = names[cell_id]
            console.print(escape(one_line(f"measured again, as its record cannot be read: {name}: {reason}")))
        with RunProgress(console, plan.cells, missing) as progress:
            for cells in _sessions(plan.cells, missing):
                with progress.measuring(cells) as advance:
                    records = _measure(cells, plan, run, advance)
                run.save(records)
                progress.finished(records)
        return run.records()


def _sessions(cells: Sequence[Cell], missing: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Yield what is measured together: all arms of a study for latency if one is missing, any other cell alone."""
    identities = {cell.cell_id for cell in missing}
    for (kind, *_), group in groupby(cells, key=lambda cell: (cell.kind, cell.task, cell.dataset)):
        session = list(group)
        lacking = [cell for cell in session if cell.cell_id in identities]
        if kind == "latency" and lacking:
            yield session
        elif kind != "latency":
            yield from ([cell] for cell in lacking)


def _measure(cells: Sequence[Cell], plan: Plan, run: RunWriter, advance: Advance) -> list[RunRecord]:
    """Return records of `cells`, which are one session: of each, but for a latency that stands as it is."""
    start, study = time.perf_counter(), plan.study_of(cells[0])
    if cells[0].kind == "latency":
        outcomes = _latency(cells, study, run, advance)
    else:
        measure = _cost if cells[0].kind == "cost" else _train
        outcomes = {cell.cell_id: attempt(partial(measure, cell, study, run, advance)) for cell in cells}
    measured = [cell for cell in cells if cell.cell_id in outcomes]
    seconds = (time.perf_counter() - start) / len(measured)
    return [_record(cell, outcomes[cell.cell_id], study, seconds) for cell in measured]


def _record(cell: Cell, outcome: dict[str, Any] | Failure, study: StudyPlan, seconds: float) -> RunRecord:
    return RunRecord(
        **cell.model_dump(),
        **_fields(outcome),
        environment=environment(),
        data_fingerprint=study.data.info.fingerprint if cell.kind == "train" else None,
        seconds=seconds,
    )


def _fields(outcome: dict[str, Any] | Failure) -> dict[str, Any]:
    """Return the record's fields for an outcome; a number that is not finite is no result."""
    if isinstance(outcome, Failure):
        return {"status": "failed", "reason": outcome.reason}
    wrong = [f"{name} is {value}" for name, value in outcome["values"].items() if not math.isfinite(value)]
    if wrong:
        return {"status": "failed", "reason": "not finite: " + ", ".join(wrong)}
    return {"status": "ok", **outcome}


def _cost(cell: Cell, study: StudyPlan, run: RunWriter, advance: Advance) -> dict[str, Any]:
    counted = asdict(cost(ArchSpec.from_dict(cell.spec), study.image_size))
    return {**counted, "values": counted["values"] | machine_limits(torch.get_num_threads())}


def _latency(
    cells: Sequence[Cell], study: StudyPlan, run: RunWriter, advance: Advance
) -> dict[str, dict[str, Any] | Failure]:
    """Time all arms in turns and return the outcomes by cell_id; an arm that does not run keeps none from it.

    Where no arm that lacks a result runs, or the session fails, the results that others have stand.
    """
    options = study.latency
    checks = {cell.cell_id: attempt(partial(_check_forward, cell, options)) for cell in cells}
    lacking = checks.keys() & {cell.cell_id for cell in run.missing()}
    failures = {cell_id: check for cell_id, check in checks.items() if isinstance(check, Failure)}
    if lacking <= failures.keys():
        return {cell_id: failure for cell_id, failure in failures.items() if cell_id in lacking}
    builds = {cell.arm: partial(build_model, ArchSpec.from_dict(cell.spec)) for cell in cells}
    sound = {cell.arm: options.contender(builds[cell.arm]) for cell in cells if cell.cell_id not in failures}
    measured = attempt(partial(measure_latency, sound, options, advance))
    if isinstance(measured, Failure):
        return {cell.cell_id: failures.get(cell.cell_id, measured) for cell in cells if cell.cell_id in lacking}
    return {cell.cell_id: failures.get(cell.cell_id) or asdict(measured[cell.arm]) for cell in cells}


def _check_forward(cell: Cell, options: LatencyOptions) -> None:
    """Run the cell's network once on the CPU, which raises what it has to."""
    model = build_model(ArchSpec.from_dict(cell.spec)).eval()
    with torch.inference_mode():
        model(random_images(model, 1, options.size))


def _train(cell: Cell, study: StudyPlan, run: RunWriter, advance: Advance) -> dict[str, Any]:
    assert cell.seed is not None
    recipe, spec = study.recipe_of(cell), ArchSpec.from_dict(cell.spec)
    outcome = train(
        partial(build_model, spec),
        study.data,
        study.task,
        recipe,
        cell.seed,
        lambda images: advance(images / recipe.images),
    )
    artifacts = {"predictions": run.save_arrays(cell, outcome.predictions)}
    remarks = [f"{cell.arm}: {each}" for each in spec.remarks]
    notes = [*study.data.info.notes, *outcome.notes, *remarks]
    return {"values": outcome.values, "settings": outcome.settings, "notes": notes, "artifacts": artifacts}
