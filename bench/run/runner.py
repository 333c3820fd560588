"""Runs what a plan still lacks. A cell that fails leaves a record with its reason, and the others go on."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.measure import MEASUREMENTS
from skipbench.bench.records import Cell, Outcome, RunRecord
from skipbench.bench.records.store import RunWriter, open_run, write_run
from skipbench.bench.run.environment import environment
from skipbench.bench.run.progress import RunProgress
from skipbench.bench.run.reuse import reuse
from skipbench.bench.suites.plan import Plan
from skipbench.display import one_line, quoted


def run_plan(plan: Plan, directory: Path, console: Console, reused: Sequence[Path] = ()) -> list[RunRecord]:
    """Measure every cell of `plan` that neither `directory` nor a `reused` folder has, and return all records.

    A cell that failed before is tried again. Raises StoreError where the folder cannot be used; whatever
    ends the process, the cells that were finished by then are kept.
    """
    machine = environment()  # once: it asks git and reads files
    declared = {study.name: study.metrics for study in plan.studies}
    others = [open_run(folder) for folder in reused]  # before anything is written
    with write_run(directory, plan.suite, plan.cells, declared) as run:
        for other in others:
            console.print(escape(one_line(f"{other.directory}: {reuse(run, other, machine)}")))
        before = run.outcomes()
        if aside := run.count_aside():
            console.print(f"{aside} cells of earlier plans are kept aside: skipbench status --all lists them.")
        missing = before.missing
        names = {cell.cell_id: cell.name for cell in plan.cells}
        for cell_id, reason in before.unreadable.items():
            name = names[cell_id]
            console.print(escape(one_line(f"measured again, as its record cannot be read: {name}: {reason}")))
        with RunProgress(console, plan.cells, missing) as progress:
            lacking = {cell.cell_id for cell in missing}
            for cells in _sessions(plan.cells, lacking):
                start, measurement = time.perf_counter(), plan.measurement_of(cells[0])
                wanted = lacking & {cell.cell_id for cell in cells}
                with progress.measuring(cells) as advance:
                    found = attempt(partial(measurement.session, cells, wanted, advance))
                outcomes = dict.fromkeys(wanted, found) if isinstance(found, Failure) else dict(found)
                measured = [cell for cell in cells if cell.cell_id in wanted | outcomes.keys()]
                shared = {"environment": machine, "seconds": (time.perf_counter() - start) / len(measured)}
                records = [_record(cell, outcomes.get(cell.cell_id), run, shared) for cell in measured]
                run.save(records)
                progress.finished(records)
        return run.records()


def _sessions(cells: Sequence[Cell], missing: Set[str]) -> Iterator[list[Cell]]:
    """Yield what is measured together: all of a study where arms take turns and one is missing, else each alone."""
    for (kind, *_), group in groupby(cells, key=lambda cell: (cell.kind, cell.task, cell.dataset)):
        session = list(group)
        lacking = [cell for cell in session if cell.cell_id in missing]
        if MEASUREMENTS[kind].in_turns and lacking:
            yield session
        else:
            yield from ([cell] for cell in lacking)


def _record(cell: Cell, outcome: Any, run: RunWriter, shared: Mapping[str, Any]) -> RunRecord:
    return RunRecord.of(cell, **_fields(cell, outcome, run), data_fingerprint=cell.determines.get("data"), **shared)


def _fields(cell: Cell, outcome: Any, run: RunWriter) -> dict[str, Any]:
    """Return the record's fields for an outcome, its files written; a number that is not finite is no result."""
    if isinstance(outcome, Failure):
        return {"status": "failed", "reason": outcome.reason}
    if not isinstance(outcome, Outcome):
        reason = f"the measurement '{cell.kind}' returns {quoted(outcome)}, expected an Outcome."
        return {"status": "failed", "reason": reason}
    wrong = [f"{name} is {value}" for name, value in outcome.values.items() if not math.isfinite(value)]
    if wrong:
        return {"status": "failed", "reason": "not finite: " + ", ".join(wrong)}
    return {
        "status": "ok",
        "values": outcome.values,
        "settings": outcome.settings,
        "notes": outcome.notes,
        "samples": outcome.samples,
        "blocks": outcome.blocks,
        "artifacts": run.save_artifacts(cell, outcome.arrays, outcome.files),
    }
