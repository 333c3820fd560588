"""A run folder for readers: its newest plan and records, each checked, while another process may write to it."""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from skipbench.bench.errors import StoreError
from skipbench.bench.records import SCHEMA_VERSION, Cell, RunRecord
from skipbench.bench.records.metrics import Metric, from_json
from skipbench.bench.records.outcomes import Outcomes, State, digest, state_of, text_of
from skipbench.bench.records.pool import Pool
from skipbench.display import quoted

DATABASE = "run.sqlite"
OLDEST = 3  # version that can be read
CHUNK = 500  # rows that are read at once
TIMEOUT_S = 30  # to wait for another program that has locked the database
PLANNED = "WHERE position IS NOT NULL ORDER BY position"
RESTORE = "restore it from a copy, or start again in another folder."


class Run:
    """What a run folder holds, for readers. Each call sees all records committed by then. Raises StoreError."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def is_empty(self) -> bool:
        """Whether the database holds nothing at all, as after a start that was interrupted."""
        return not self._query("SELECT 1 FROM sqlite_master")

    @property
    def suite(self) -> dict[str, Any]:
        """The resolved suite."""
        try:
            suite = json.loads(self._meta("suite") or b"")
        except (ValueError, RecursionError):
            suite = None
        if not isinstance(suite, dict):
            raise StoreError(f"the suite in {self.directory} cannot be read; {RESTORE}")
        return suite

    @property
    def metrics(self) -> dict[tuple[str, str], tuple[Metric, ...]]:
        """What the records of each study (task, dataset) can hold."""
        try:
            return from_json(self._meta("metrics") or b"")
        except ValueError:
            raise StoreError(f"the metrics in {self.directory} cannot be read; {RESTORE}") from None

    def cells(self) -> list[Cell]:
        """Return all cells of the newest plan, in the order in which they run."""
        rows = self._query(
            f"SELECT cell_id, content, m.value FROM cells LEFT JOIN meta m ON m.key = 'cell/' || cell_id {PLANNED}"
        )
        return [self._cell(f"cell {number} of the plan", *row) for number, row in enumerate(rows, 1)]

    def records(self) -> list[RunRecord]:
        """Return the plan's records so far that can be read, in its order."""
        return self.outcomes().records

    def outcomes(self) -> Outcomes:
        """Return the plan's records so far, checked against their digests and cells, under the plan's labels."""
        found = Outcomes([], [], {})
        for cell, content, stated in self._contents(PLANNED, "of the plan"):
            found.cells.append(cell)
            if content is not None:
                found.add(cell, content, stated)
        return found

    def states(self, aside: bool = False) -> list[tuple[Cell, State]]:
        """Return how far each cell of the plan is, or each that only earlier plans name.

        It takes a fraction of the time of `outcomes`: a record that is as it was saved isn't looked at any closer.
        """
        which = (
            ("WHERE position IS NULL ORDER BY c.rowid", "of earlier plans") if aside else (PLANNED, "of the plan")
        )
        return [(cell, state_of(cell, content, stated)) for cell, content, stated in self._contents(*which)]

    def count_aside(self) -> int:
        """Return how many cells only earlier plans name."""
        ((count,),) = self._query("SELECT count(*) FROM cells WHERE position IS NULL")
        return int(count)

    def find(self, cells: Sequence[Cell]) -> Outcomes:
        """Return what has been measured of `cells`, whichever plan has asked for them."""
        ids = json.dumps([cell.cell_id for cell in cells])
        rows = self._query(
            "SELECT cell_id, content, m.value FROM records LEFT JOIN meta m ON m.key = 'digest/' || cell_id "
            "WHERE cell_id IN (SELECT value FROM json_each(?))",
            ids,
        )
        contents = {text_of(cell_id): content for cell_id, *content in rows}
        found = Outcomes(list(cells), [], {})
        for cell in cells:
            if cell.cell_id in contents:
                found.add(cell, *contents[cell.cell_id])
        return found

    def _contents(self, which: str, whose: str) -> Iterator[tuple[Cell, Any, Any]]:
        """Yield each cell with its record as the database holds it, and the record's digest."""
        rows = self._rows(
            "SELECT cell_id, c.content, p.value, r.content, m.value FROM cells c "
            "LEFT JOIN records r USING (cell_id) LEFT JOIN meta p ON p.key = 'cell/' || cell_id "
            f"LEFT JOIN meta m ON m.key = 'digest/' || cell_id {which}"
        )
        pool = Pool()
        for number, (*planned, content, stated) in enumerate(rows, 1):
            cell = self._cell(f"cell {number} {whose}", *planned)
            pool.share(cell, "spec", "varied", "determines")
            yield cell, content, stated

    def missing(self) -> list[Cell]:
        """Return the cells that have no record, a failed or an unreadable one, in the order of the plan."""
        return [cell for cell, state in self.states() if state.status != "ok"]

    def check_version(self) -> None:
        """Raise StoreError where the folder holds no plan yet, or one that this version cannot read."""
        if self.is_empty:
            raise StoreError(f"{self.directory} contains no run yet: its start was interrupted; start it again.")
        version = text_of(self._meta("schema_version"))
        if not (version.isascii() and version.isdecimal() and int(version[:9])):
            raise StoreError(
                f"the version of {self.directory} is {quoted(version)}, which is not a number; {RESTORE}"
            )
        if int(version[:9]) > SCHEMA_VERSION:
            raise StoreError(
                f"{self.directory} was written by a newer version of skipbench; update skipbench to read it."
            )
        if int(version[:9]) < OLDEST:
            raise StoreError(
                f"{self.directory} was written by an older version of skipbench: read it with that version, or "
                f"measure again: skipbench run {self.directory}/suite.yaml --out ANOTHER_FOLDER"
            )

    def _meta(self, key: str) -> Any:
        rows = self._query("SELECT value FROM meta WHERE key = ?", key)
        return rows[0][0] if rows else None

    def _cell(self, called: str, cell_id: Any, content: Any, stated: Any) -> Cell:
        """Return a cell, whose id is hashed again only where no digest tells that it is as it was written."""
        try:
            cell = Cell.model_validate_json(content if isinstance(content, bytes) else b"")
            if stated is not None and text_of(stated) == digest(content):
                cell.__dict__["cell_id"] = text_of(cell_id)
            if cell.cell_id == text_of(cell_id):
                return cell
        except ValueError:
            pass
        raise StoreError(f"{called} in {self.directory} has been damaged; {RESTORE}")

    def _query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Return the rows, texts as bytes: what is damaged need not be text."""
        return list(self._rows(sql, *values))

    def _rows(self, sql: str, *values: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, some at a time: those of a large run take up as much memory as what is read of them."""
        database = self.directory / DATABASE
        with sentences(self.directory):
            try:
                chunks = _chunks(f"{database.resolve().as_uri()}?mode=ro", sql, values)
                first = next(chunks)
            except sqlite3.OperationalError as error:
                # The index beside a log of changes cannot be written here: on a full disk, in a colleague's
                # folder. Without such a log the database can be read as it stands.
                log = Path(f"{database}-wal")
                if "locked" in str(error) or (log.exists() and log.stat().st_size):
                    raise
                chunks = _chunks(f"{database.resolve().as_uri()}?immutable=1", sql, values)
                first = next(chunks)
            yield from first
            for chunk in chunks:
                yield from chunk


def _no_run(directory: Path) -> str:
    """Return that a folder contains no run, and which one near it does, or how to start one."""
    near = (directory.parent, directory.parent.parent, Path("runs") / directory, *sorted(directory.glob("*")))
    runs = [folder for folder in near if (folder / DATABASE).is_file()]
    if runs:
        return f"{directory} contains no run, but {runs[0]} does."
    return f"{directory} contains no run; start one with: skipbench run SUITE --out {directory}"


def open_run(directory: Path) -> Run:
    """Return the run in `directory` for reading, whether or not another process writes to it.

    Raises StoreError where the folder holds no run, or one of a newer version.
    """
    database = directory / DATABASE
    if not database.is_file():
        raise StoreError(_no_run(directory))
    run = Run(directory)
    run.check_version()
    return run


def _chunks(uri: str, sql: str, values: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in lists, of which the last is empty."""
    with closing(sqlite3.connect(uri, uri=True, timeout=TIMEOUT_S)) as connection:
        connection.text_factory = bytes
        cursor = connection.execute(sql, values)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk
        yield []


@contextmanager
def sentences(directory: Path, kept: str = "") -> Iterator[None]:
    """Turn what the disk and SQLite say into one sentence; `kept` is what it may promise."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where SQLite quotes what is damaged
        if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):  # the disk, a lock
            raise StoreError(f"cannot use {directory}{_free(directory)}: {error}{kept}.") from error
        raise StoreError(f"{directory / DATABASE} is damaged, or is not a run ({error}); {RESTORE}") from error
    except OSError as error:
        raise StoreError(f"cannot use {directory}{_free(directory)}: {error}{kept}.") from error


def _free(directory: Path) -> str:
    return f" ({shutil.disk_usage(directory).free / 2**20:.0f} MiB free)" if directory.exists() else ""
