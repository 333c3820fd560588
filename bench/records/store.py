"""The run folder: a plan of cells and one record for each that has ended, in one SQLite file.

Many may read while one writes. A record is committed when its cell ends, with its files already in place,
so a process killed at any moment loses only the cell it was working on. A failed cell has a record with
its reason; the next run tries it again, and the new record takes the place of the old one.
"""

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import yaml
from filelock import FileLock, Timeout

from skipbench.bench.errors import StoreError
from skipbench.bench.files import whole_file, write_whole
from skipbench.bench.records import SCHEMA_VERSION, Cell, RunRecord
from skipbench.bench.records.metrics import Declared, to_json
from skipbench.bench.records.reader import DATABASE, Outcomes, Run, digest, open_run, sentences
from skipbench.bench.records.tables import to_parquet

__all__ = ["Outcomes", "Run", "RunWriter", "open_run", "write_run"]

LOCK, SUITE, ARTIFACTS, STATES = "run.lock", "suite.yaml", "artifacts", "states"
PATIENCE_S, TIMEOUT_S = 600, 5  # in all, and at a time, with another program that has locked the database
_KEPT = "; the records already in it are kept"
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cells (cell_id TEXT PRIMARY KEY, position INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE records (cell_id TEXT PRIMARY KEY REFERENCES cells, content TEXT NOT NULL);
"""


class RunWriter(Run):
    """A run folder held by this process, the only one that may write to it."""

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        super().__init__(directory)
        self._connection = connection

    def save(self, records: Sequence[RunRecord]) -> None:
        """Commit `records` together: after a crash all of them are there, or none."""
        rows = [(record.cell_id, record.model_dump_json()) for record in records]
        digests = [(f"digest/{cell_id}", digest(content.encode())) for cell_id, content in rows]

        def insert() -> None:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", rows)
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", digests)
            _empty_log(self._connection)

        with sentences(self.directory, _KEPT):
            _patiently(insert)

    def save_artifacts(
        self,
        cell: Cell,
        arrays: Mapping[str, Mapping[str, np.ndarray]],
        files: Mapping[str, bytes] | None = None,
        tables: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    ) -> dict[str, str]:
        """Write a cell's arrays (.npz) and tables (.parquet), a file per role, and its files.

        Returns their paths inside the run folder, by role or name.

        A file gets its name only when it is whole and on the disk. Raises StoreError.
        """
        paths = {}
        for role, named in arrays.items():
            with self._artifact(cell, f"{role}.npz") as (paths[role], file):
                np.savez_compressed(file, **named)  # type: ignore[arg-type]
        for role, columns in (tables or {}).items():
            with self._artifact(cell, f"{role}.parquet") as (paths[role], file):
                file.write(to_parquet(columns))
        for name, content in (files or {}).items():
            with self._artifact(cell, name) as (paths[name], file):
                file.write(content)
        return paths

    @contextmanager
    def _artifact(self, cell: Cell, name: str) -> Iterator[tuple[str, BinaryIO]]:
        path = f"{ARTIFACTS}/{cell.cell_id}.{name}"
        with sentences(self.directory, _KEPT), whole_file(self.directory / path) as file:
            yield path, file


@contextmanager
def write_run(
    directory: Path, suite: Mapping[str, Any], cells: Sequence[Cell], declared: Declared | None = None
) -> Iterator[RunWriter]:
    """Hold `directory` for the plan `cells` of `suite`; make it, or go on where an earlier process ended.

    `declared` says what the records can hold; a value that nothing declares is shown under its own key.
    Raises StoreError, and leaves everything as it is, where another process holds the folder, where it
    holds another plan, or where it holds anything else.
    """
    _refuse_foreign(directory)
    with _held(directory), closing(_connect(directory)) as connection:
        run = RunWriter(directory, connection)
        with sentences(directory):
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                _patiently(partial(_create, connection, suite, cells, declared or {}))
            _check_plan(run, suite, cells)
            _patiently(partial(_declare, connection, declared or {}))
            _empty_log(connection)
            # for people; the database holds the one that counts
            write_whole(directory / SUITE, yaml.safe_dump(dict(suite), sort_keys=False))
        yield run


def _plan_difference(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return the keys, of the suite or of a study, in which two resolved suites differ; names don't count."""
    pairs = [(stored, given)]
    studies = [suite.get("studies", []) for suite in (stored, given)]
    same_number = len(studies[0]) == len(studies[1])
    if same_number:
        pairs += zip(*studies, strict=True)
    uncounted = {"name", "description", *(["studies"] if same_number else [])}
    keys = {key for old, new in pairs for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    return sorted(keys - uncounted)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when the process ends, however it ends.

    Both a file in it and the folder itself are locked: the file may be deleted, and there are file systems
    that lock files only.
    """
    with sentences(directory), ExitStack() as stack:
        directory.mkdir(parents=True, exist_ok=True)
        folder = os.open(directory, os.O_RDONLY)
        stack.callback(os.close, folder)
        try:
            stack.enter_context(FileLock(directory / LOCK, timeout=0))
            _lock(folder)
        except (Timeout, BlockingIOError):
            raise StoreError(f"{directory} is in use by another skipbench process; wait for it.") from None
        held = stack.pop_all()
    with held:
        yield


def _lock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # this file system locks files only, of which run.lock is one
        return


def _refuse_foreign(directory: Path) -> None:
    """Refuse a folder that holds neither a run nor nothing (but the lock of a start that was killed)."""
    if directory.exists() and not directory.is_dir():
        raise StoreError(f"{directory} is a file, expected a folder for the run.")
    if not directory.exists() or (directory / DATABASE).exists():
        return
    foreign = sorted(path.name for path in directory.iterdir() if path.name != LOCK)
    if foreign:
        raise StoreError(
            f"{directory} is not empty and contains no run (it contains {foreign[0]}); nothing was overwritten; "
            "choose another folder with --out."
        )


def _connect(directory: Path) -> sqlite3.Connection:
    with sentences(directory):
        if not (directory / DATABASE).exists() or Run(directory).is_empty:
            _refuse_emptied(directory)
        else:
            Run(directory).check_version()
        connection = sqlite3.connect(directory / DATABASE, timeout=TIMEOUT_S)
        _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").close())  # readers never wait
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut; there are few
    return connection


def _create(
    connection: sqlite3.Connection, suite: Mapping[str, Any], cells: Sequence[Cell], declared: Declared
) -> None:
    meta = {"suite": json.dumps(suite), "schema_version": str(SCHEMA_VERSION), "metrics": to_json(declared)}
    rows = [(cell.cell_id, position, cell.model_dump_json()) for position, cell in enumerate(cells)]
    with connection:
        connection.execute("BEGIN")  # the whole plan or nothing: executescript would commit by itself
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        connection.executemany("INSERT INTO cells VALUES (?, ?, ?)", rows)


def _declare(connection: sqlite3.Connection, declared: Declared) -> None:
    """Say what the records can hold where the run says otherwise: it may go on with other code."""
    row = ("metrics", to_json(declared))
    if connection.execute("SELECT * FROM meta WHERE key = 'metrics'").fetchone() != row:
        with connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)


def _check_plan(run: Run, suite: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    if {cell.cell_id for cell in run.cells()} == {cell.cell_id for cell in cells}:
        return
    keys = _plan_difference(run.suite, suite)
    what = f"another suite (which differs in: {', '.join(keys)})" if keys else "a run with other data or plug-ins"
    raise StoreError(f"{run.directory} contains {what}; choose another folder with --out.")


def _refuse_emptied(directory: Path) -> None:
    """Refuse a database without a plan beside what only a run with one can have written."""
    left = [name for name in (SUITE, ARTIFACTS) if (directory / name).exists()]
    if left:
        raise StoreError(
            f"{directory / DATABASE} is empty, but the folder still contains {left[0]} of a run: restore it "
            "from a copy, or choose another folder with --out."
        )


def _empty_log(connection: sqlite3.Connection) -> None:
    """Move what is committed from the log into the database itself, which is then all that has to be copied."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _patiently(change: Callable[[], None]) -> None:
    """Make a change to the database; where another program (a backup, a browser) has locked it, wait for that."""
    deadline = time.monotonic() + PATIENCE_S
    while not _made(change, time.monotonic() > deadline):
        pass


def _made(change: Callable[[], None], insist: bool) -> bool:
    try:
        change()
    except sqlite3.OperationalError as error:
        if insist or "locked" not in str(error):
            raise
        return False
    return True
