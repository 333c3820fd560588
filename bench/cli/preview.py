"""`skipbench run --dry-run`: what a run would measure, what that costs and how long it takes; writes nothing."""

import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.cli.output import console, print_table
from skipbench.bench.errors import StoreError
from skipbench.bench.measure import MEASUREMENTS, Arm, Forecast, Measurement, StudyPlan, measurements
from skipbench.bench.measure.cost import Cost
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import open_run
from skipbench.bench.suites.plan import Plan
from skipbench.display import human_time

LOOK_S = 4.0  # in which arms are tried, for each measurement; what is left is told by their MACs
Expected = Forecast | Failure
Key = tuple[str, str, str]  # task, dataset, arm


def preview(plan: Plan, directory: Path, jobs: int) -> int:
    """Print the cells of a plan with what the folder has of them, what they cost and how long the rest takes."""
    done = _records_of(plan, directory)
    lacking = [cell for cell in plan.cells if cell.cell_id not in done]
    with console().status("trying each network for a moment"):
        looking = _Looking(plan, lacking, done)
    title = f"{plan.suite['name']}: {len(plan.cells)} cells; nothing has been written"
    print_table([_row(cell, done.get(cell.cell_id), looking) for cell in plan.cells], title)
    if done:
        print(f"{len(done)} of {len(plan.cells)} cells are in {directory} already.")
    total = sum(
        expected.seconds / (1 if MEASUREMENTS[cell.kind].in_turns else jobs)
        for cell in lacking
        for expected in [looking.expected(cell)]
        if isinstance(expected, Forecast)
    )
    if lacking:
        print(f"About {human_time(total)} on this machine, {looking}.")
    if room := _room_of_networks(plan, looking):
        print(f"The trained networks that it keeps (keep: {plan.suite['keep']}) take {room / 1e6:,.0f} MB.")
    return 0


def _records_of(plan: Plan, directory: Path) -> dict[str, RunRecord]:
    """Return what the folder has of the plan's cells, by id; nothing where it is no run."""
    wanted = {cell.cell_id for cell in plan.cells}
    try:
        records = open_run(directory).records()
    except StoreError:
        return {}
    return {record.cell_id: record for record in records if record.cell_id in wanted}


class _Looking:
    """What is found by trying each network that lacks a result, for a limited time in all."""

    def __init__(self, plan: Plan, lacking: list[Cell], done: Mapping[str, RunRecord]) -> None:
        self._found: dict[tuple[str, Key], Expected] = {}
        self._tried, self._told = Counter[bool](), set[tuple[str, Key]]()
        self.values: dict[Key, Mapping[str, float]] = {}
        for record in done.values():
            if record.kind == Cost.name and record.status == "ok":
                self.values[_arm_of(record)] = record.values
        due = {(cell.kind, _arm_of(cell)) for cell in lacking}
        for measurement in measurements():
            end = time.monotonic() + LOOK_S
            for study, arm in _in_turns(plan.studies):
                key = (*study.name, arm.name)
                if (measurement.name, key) in due or (measurement is Cost and key not in self.values):
                    self._look(measurement, study, arm, end)

    def _look(self, measurement: type[Measurement[Any]], study: StudyPlan, arm: Arm, end: float) -> None:
        key = (*study.name, arm.name)
        tried = time.monotonic() < end
        if tried:
            self._found[measurement.name, key] = attempt(partial(measurement(study).forecast, arm))
            if isinstance(found := self._found[measurement.name, key], Forecast) and found.values:
                self.values[key] = found.values
        self._tried[tried] += measurement.seeded

    def __str__(self) -> str:
        """Say from what the time is told."""
        by = f"from timed training steps of {self._tried[True]} network(s)"
        return by + (f", and of {self._tried[False]} from their MACs" if self._tried[False] else "")

    def expected(self, cell: Cell) -> Expected | None:
        """Return what is expected of a cell, None where nothing is known."""
        key = _arm_of(cell)
        if found := self._found.get((cell.kind, key)):
            return found
        others = {
            other: found.seconds
            for (kind, other), found in self._found.items()
            if kind == cell.kind and other[:2] == key[:2] and isinstance(found, Forecast)
        }
        if not others:
            return None
        macs = {other: self.values[other]["macs/total"] for other in (*others, key) if other in self.values}
        if key not in macs or len(macs) == 1:
            return Forecast(sum(others.values()) / len(others))
        nearest = min(macs.keys() - {key}, key=lambda other: abs(macs[other] - macs[key]))
        return Forecast(others[nearest] * macs[key] / macs[nearest])


def _in_turns(studies: list[StudyPlan]) -> list[tuple[StudyPlan, Arm]]:
    """Return the arms of all studies, of each study one after the other."""
    rounds = zip_longest(*([(study, arm) for arm in study.arms] for study in studies))
    return [pair for every in rounds for pair in every if pair is not None]


def _room_of_networks(plan: Plan, looking: _Looking) -> float:
    """Return the bytes that the trained networks take, as far as their sizes are known."""
    room = 0.0
    for study in plan.studies:
        copies = {"none": 0, "best": 1, "all": len(study.seeds)}[plan.suite["keep"]]
        for arm in study.arms:
            values = looking.values.get((*study.name, arm.name), {})
            room += 4 * copies * (values.get("params/total", 0) + values.get("buffers/total", 0))
    return room


def _arm_of(cell: Cell) -> Key:
    return cell.task, cell.dataset, cell.arm


def _row(cell: Cell, record: RunRecord | None, looking: _Looking) -> dict[str, str]:
    values = looking.values.get(_arm_of(cell), {})
    known = "params/total" in values
    least = "≥ " if values.get("operators/unruled") else ""
    return {
        "cell": cell.name,
        "parameters": f"{values['params/total'] / 1e6:.3f} M" if known else "–",
        "MACs": f"{least}{values['macs/total'] / 1e9:.3f} G" if known else "–",
        "about": _about(record, None if record else looking.expected(cell)),
    }


def _about(record: RunRecord | None, expected: Expected | None) -> str:
    if record is not None:
        return "there already" if record.status == "ok" else f"failed before: {record.reason}"
    if isinstance(expected, Failure):
        return f"fails: {expected.reason}"
    return human_time(expected.seconds) if expected else "–"
