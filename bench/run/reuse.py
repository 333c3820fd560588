"""Finished cells of other run folders, taken where all that determines them is equal.

The identity of a cell is equal: arm, options (with device, precision and threads), data, seed, plug-ins' source.
Trainings and what is counted depend on the machine too, bit by bit: libraries have the same versions, Python the
same minor version, and the processor (or the GPU, where that computes) is the same model. What times is taken from
the very same system only: platform, processor, cores, GPU and threads are equal.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skipbench.bench.files import link_whole
from skipbench.bench.measure import MEASUREMENTS
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.holding import ARTIFACTS
from skipbench.bench.records.reader import Run, sentences
from skipbench.bench.records.store import RunWriter
from skipbench.display import quoted


class Reused(NamedTuple):
    """What one folder gave: how many cells, and why others that it has finished could not be taken."""

    taken: int
    refused: Counter[str]

    def __str__(self) -> str:
        reasons = "".join(f"; refused: {number} ({reason})" for reason, number in self.refused.most_common())
        return f"cells taken: {self.taken}{reasons}"


def reuse(run: RunWriter, other: Run, machine: Mapping[str, Any]) -> Reused:
    """Take what `run` is missing and `other` has finished under the same conditions; `machine` is this one.

    A record is committed when its files are in place, by a link where the disk allows it. Raises StoreError.
    """
    found = other.find(run.missing())
    refused = Counter(f"the record cannot be read: {reason}" for reason in found.unreadable.values())
    taken = []
    for record in found.records:
        if record.status != "ok":
            continue
        reason = next(_differences(record, machine), None) or _unfit_artifact(other.directory, record)
        if reason:
            refused[reason] += 1
        else:
            taken.append(record)
    for record in taken:
        for path in record.artifacts.values():
            with sentences(run.directory):
                link_whole(other.directory / path, run.directory / path)
    run.save(taken)
    return Reused(len(taken), refused)


def _differences(record: RunRecord, machine: Mapping[str, Any]) -> Iterator[str]:
    """Yield what determines the record's numbers and is not the same here."""
    there, here = record.environment, machine
    versions, own = (place.get("versions") or {} for place in (there, here))
    for library in dict.fromkeys([*own, *versions]):
        if versions.get(library) != own.get(library):
            yield f"{library} {versions.get(library)} there, {own.get(library)} here"
    if _minor(there) != _minor(here):
        yield f"Python {_minor(there)} there, {_minor(here)} here"
    for name in _machine(record):
        if there.get(name) != here.get(name) or (name == "cpu" and not here.get(name)):
            yield f"{name} {quoted(there.get(name))} there, {quoted(here.get(name))} here"


def _machine(cell: Cell) -> Sequence[str]:
    """Return the names of what has to be equal of the machine."""
    if MEASUREMENTS[cell.kind].timed:
        return ("cpu", "gpu", "platform", "cores", "threads")
    return ("cpu", "gpu") if cell.determines.get("options", {}).get("device") == "cuda" else ("cpu",)


def _minor(environment: Mapping[str, Any]) -> str:
    return ".".join(str(environment.get("python")).split(".")[:2])


def _unfit_artifact(folder: Path, record: RunRecord) -> str | None:
    """Return what is wrong with the files of a record; None where each is a file of its own folder."""
    for path in record.artifacts.values():
        file = folder / path
        if Path(path).parent != Path(ARTIFACTS) or file.is_symlink() or not file.is_file():
            return "a file of its predictions is missing"
    return None
