"""Runs what a plan still lacks. A cell that fails leaves a record with its reason, and the others go on."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from skipbench.bench.attempt import Failure
from skipbench.bench.records import Cell, Outcome, RunRecord
from skipbench.bench.records.holding import STATES
from skipbench.bench.records.store import RunWriter, open_run, write_run
from skipbench.bench.run.environment import environment
from skipbench.bench.run.here import Here
from skipbench.bench.run.keeping import Keeping
from skipbench.bench.run.progress import RunProgress
from skipbench.bench.run.reuse import reuse
from skipbench.bench.run.session import Executor, Session, States, sessions
from skipbench.bench.run.tensorboard import Events
from skipbench.bench.suites.plan import Plan
from skipbench.display import one_line, quoted

MAX_TRIES = 3  # of a cell that fails


def run_plan(
    plan: Plan,
    directory: Path,
    console: Console,
    executor: Executor | None = None,
    retry_failed: bool = False,
    reused: Sequence[Path] = (),
    events: Events | None = None,
) -> list[RunRecord]:
    """Measure every cell of `plan` that neither `directory` nor a `reused` folder has, and return all records.

    The `executor` says where: in this process, if none is given. A cell that failed before stays so; with
    `retry_failed` it is tried again, MAX_TRIES times in all, those last that took their process with them. Raises
    StoreError where the folder cannot be used; whatever ends the process, the cells that were finished by then are
    kept. `events` writes what TensorBoard reads.
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
        names = {cell.cell_id: cell.name for cell in plan.cells}
        for cell_id, reason in before.unreadable.items():
            console.print(
                escape(one_line(f"measured again, as its record cannot be read: {names[cell_id]}: {reason}"))
            )
        earlier = {record.cell_id: record for record in before.records}
        again = {record.cell_id for record in before.records if retry_failed and _may_be_tried_again(record)}
        lacking = (names.keys() - earlier.keys()) | again
        due = sorted(sessions(plan.cells, lacking), key=lambda session: _died(session, earlier))
        states = States(directory / STATES)
        headlines = {study.name: study.metrics[0] for study in plan.studies}
        keeping = Keeping(plan.suite["keep"], headlines)
        keeping.settle(run, before.records)
        if events:
            events.write_missing(before.records)
        with RunProgress(console, plan.cells, due) as progress:
            for ended in (executor or Here()).run(plan, due, states, progress):
                measured = ended.session.lacking | ended.outcomes.keys()
                shared = {"environment": ended.environment or machine, "seconds": ended.seconds / len(measured)}
                records = [
                    _record(cell, outcome, run, keeping, shared | _tries(earlier.get(cell.cell_id)))
                    for cell in ended.session.cells
                    if cell.cell_id in measured
                    for outcome in [ended.outcomes.get(cell.cell_id)]
                ]
                run.save(records)
                keeping.settle(run, records)
                if events:
                    events.write(records)
                states.drop(ended.session)
                progress.end(ended, records)
        return run.records()


def _may_be_tried_again(record: RunRecord) -> bool:
    return record.status == "failed" and record.tries < MAX_TRIES


def _died(session: Session, earlier: Mapping[str, RunRecord]) -> bool:
    return any(earlier[cell_id].died for cell_id in session.lacking & earlier.keys())


def _tries(earlier: RunRecord | None) -> dict[str, int]:
    return {"tries": earlier.tries + 1 if earlier and earlier.status == "failed" else 1}


def _record(cell: Cell, outcome: Any, run: RunWriter, keeping: Keeping, shared: Mapping[str, Any]) -> RunRecord:
    kept = keeping.trimmed(cell, outcome) if isinstance(outcome, Outcome) else outcome
    return RunRecord.of(cell, **_fields(cell, kept, run), data_fingerprint=cell.determines.get("data"), **shared)


def _fields(cell: Cell, outcome: Any, run: RunWriter) -> dict[str, Any]:
    """Return the record's fields for an outcome, its files written; a number that is not finite is no result."""
    if isinstance(outcome, Failure):
        return {"status": "failed", "reason": outcome.reason, "died": outcome.died}
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
        "artifacts": run.save_artifacts(cell, outcome.arrays, outcome.files, outcome.tables),
    }
