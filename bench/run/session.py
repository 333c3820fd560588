"""What is measured together, who measures it, and what comes of it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from skipbench.bench.advance import Advance
from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.files import whole_file
from skipbench.bench.measure import MEASUREMENTS
from skipbench.bench.records import Cell
from skipbench.bench.suites.plan import Plan

SILENCE_S = 3600.0  # without a sign of life, after which a session has failed
SILENT = "it gave no sign of life for {:g} s, so it was stopped"
STOPPING = "Stopping once the current cells have kept their states; again ends them at once."
TELL_EVERY_S = 0.2  # between two messages on how far a session is: people see no more


@dataclass(frozen=True)
class Session:
    """Cells that one process measures together; `lacking` are the ids of those without a result."""

    cells: list[Cell]
    lacking: frozenset[str]
    prepared: Any = None  # what all sessions of the measurement share
    rehearsal: bool = False  # whether its cell is only tried, as one of a session that died of one of them

    @property
    def kind(self) -> str:
        """What is measured."""
        return self.cells[0].kind

    @property
    def alone(self) -> bool:
        """Whether it has the machine to itself: arms that take turns are timed."""
        return MEASUREMENTS[self.kind].in_turns

    @property
    def devices(self) -> int:
        """On how many devices it computes."""
        return int(self.cells[0].determines["options"].get("devices", 1))

    @property
    def name(self) -> str:
        """What people call it."""
        first = self.cells[0]
        return first.name if len(self.cells) == 1 else f"{first.kind} {first.task}: {len(self.cells)} arms in turns"

    @property
    def weight(self) -> float:
        """Its part of the time that a run takes, where a training has 1."""
        return sum(MEASUREMENTS[cell.kind].weight for cell in self.cells)

    @cached_property
    def key(self) -> str:
        """The name of the state that is kept of it."""
        return min(self.lacking)

    def measure(self, plan: Plan, advance: Advance) -> dict[str, Any]:
        """Return what is measured, or the Failure, by cell id."""
        measurement = plan.measurement_of(self.cells[0])
        if self.prepared is not None:
            measurement.prepared = self.prepared
        if self.rehearsal:
            arm = next(arm for arm in measurement.study.arms if arm.name == self.cells[0].arm)
            tried = attempt(partial(measurement.rehearse, arm))
            return {self.key: tried} if isinstance(tried, Failure) else {}
        found = attempt(partial(measurement.session, self.cells, self.lacking, advance))
        return dict.fromkeys(self.lacking, found) if isinstance(found, Failure) else dict(found)


def sessions(cells: Sequence[Cell], lacking: Set[str]) -> Iterator[Session]:
    """Yield what is measured together: all of a study where arms take turns and one is missing, else each alone."""
    for (kind, *_), group in groupby(cells, key=lambda cell: (cell.kind, cell.task, cell.dataset)):
        study = list(group)
        missing = [cell for cell in study if cell.cell_id in lacking]
        if MEASUREMENTS[kind].in_turns and missing:
            yield Session(study, frozenset(cell.cell_id for cell in missing))
        else:
            yield from (Session([cell], frozenset({cell.cell_id})) for cell in missing)


def prepared(sessions: Iterable[Session]) -> list[Session]:
    """Return the sessions with what those of each measurement share, measured once, on this machine."""
    due = list(sessions)
    shared = {kind: MEASUREMENTS[kind].prepare() for kind in dict.fromkeys(session.kind for session in due)}
    return [replace(session, prepared=shared[session.kind]) for session in due]


@dataclass(frozen=True)
class Ended:
    """A session that is over."""

    session: Session
    outcomes: Mapping[str, Any]  # by cell id: an Outcome or a Failure, as far as the measurement keeps its word
    seconds: float
    environment: Mapping[str, Any] | None = None  # of the process that measured it, where that is another machine's


class States:
    """The states from which sessions go on after their process has ended, a file each in the run folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, session: Session) -> bytes | None:
        """Return the last that was kept of a session."""
        file = self._directory / session.key
        return file.read_bytes() if file.is_file() else None

    def keep(self, session: Session, state: bytes) -> None:
        """Keep a state in place of the one before; a file is whole or not there. Raises OSError."""
        with whole_file(self._directory / session.key) as file:
            file.write(state)

    def drop(self, session: Session) -> None:
        """Remove what was kept of a session that is over."""
        (self._directory / session.key).unlink(missing_ok=True)


def seldom(tell: Callable[[float], None]) -> Callable[[float], None]:
    """Return what tells shares of work done, but not more often than people can see."""
    told_at = 0.0

    def show(share: float) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_EVERY_S:
            tell(share)
            told_at = time.monotonic()

    return show


class Watch(Protocol):
    """Whoever shows how far a run is."""

    def begin(self, session: Session) -> Callable[[float], None]:
        """Show that a session begins; return what is to be told its share."""

    def say(self, sentence: str) -> None:
        """Show a sentence."""


class Executor(Protocol):
    """Whoever measures sessions: this process, others on this machine, other machines."""

    jobs: int  # sessions side by side, as far as that is known

    def run(self, plan: Plan, sessions: Iterable[Session], states: States, watch: Watch) -> Iterator[Ended]:
        """Measure all sessions and yield each when it is over, in any order. Raises Stopped."""
