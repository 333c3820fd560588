"""What has been measured of cells: each record checked against its digest and its cell before it is used."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.pool import Pool
from skipbench.display import one_line

MAX_VALUE = 1e100  # of a measured number; what is larger was not measured, and its square may have no number


@dataclass(frozen=True)
class Outcomes:
    """What has been measured of some cells, in their order, and why some records cannot be used."""

    cells: list[Cell]
    records: list[RunRecord]
    unreadable: dict[str, str]  # cell id -> the reason; such a cell counts as not measured
    pool: Pool = field(default_factory=Pool, repr=False, compare=False)  # of what many records say alike

    @property
    def missing(self) -> list[Cell]:
        """The cells that have no record, a failed or an unreadable one."""
        done = {record.cell_id for record in self.records if record.status == "ok"}
        return [cell for cell in self.cells if cell.cell_id not in done]

    def add(self, cell: Cell, content: Any, stated: Any) -> None:
        """File what the database holds of a cell, with the digest that it states, under what it turns out to be."""
        try:
            record = _checked(cell, content, stated)
            self.pool.share(record, "settings", "environment")
            self.records.append(record)
        except ValueError as error:
            self.unreadable[cell.cell_id] = str(error)


class State(BaseModel):
    """How far a cell is."""

    status: Literal["ok", "failed", "missing"] = "missing"
    reason: str | None = None  # why it failed, or why its record cannot be used
    seconds: float | None = None
    created_at: str | None = None  # when it ended


def _checked(cell: Cell, content: Any, stated: Any) -> RunRecord:
    """Return the record of `cell`. Raises ValueError with the reason why it cannot be used.

    Without a `stated` digest, which is filed under the cell's id, it is asked whose it is and what it holds.
    """
    if not isinstance(content, bytes):
        raise ValueError("it is not text")
    if stated and text_of(stated) != digest(content):
        raise ValueError("it has been changed since it was saved")
    try:
        record = RunRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(one_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": "))) from None
    if not stated:
        if (record.kind, record.determines) != (cell.kind, cell.determines):  # of which the id is the hash
            raise ValueError("it belongs to another cell")
        if number := no_measurement(record):
            raise ValueError(number)
    record.__dict__.update(cell.__dict__)  # the labels of the plan, and the id
    return record


def no_measurement(record: RunRecord) -> str | None:
    """Return the first number of a record that cannot have been measured: "test/miou is nan"; None if all can."""
    numbers = {**record.values, **{f"sample {i}": value for i, value in enumerate(record.samples)}}
    named = {**numbers, "seconds": record.seconds or 0.0}.items()
    return next((f"{name} is {value}" for name, value in named if not abs(value) < MAX_VALUE), None)  # NaN is not


def state_of(cell: Cell, content: Any, stated: Any) -> State:
    """Return how far a cell is, by what the database holds of it."""
    if content is None:
        return State()
    if isinstance(content, bytes) and text_of(stated) == digest(content):
        return State.model_validate_json(content)
    try:
        record = _checked(cell, content, stated)
        ended = {name: getattr(record, name) for name in State.model_fields}
        return State(**ended)
    except ValueError as error:
        return State(reason=f"its record cannot be read: {error}")


def digest(content: bytes) -> str:
    """Return what tells a record from a changed one."""
    return hashlib.sha256(content).hexdigest()


def text_of(value: Any) -> str:
    """Return what the database holds as text, whatever it is."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
