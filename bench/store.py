"""The run folder: a plan of cells and one record for each that has ended, in one SQLite file.

Many may read while one writes. A record is committed when its cell ends, with its files already in place,
so a process killed at any moment loses only the cell it was working on. A failed cell has a record with
its reason; the next run tries it again, and the new record takes the place of the old one.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from filelock import FileLock, Timeout

from bench.errors import StoreError
from bench.files import whole_file, write_whole
from bench.records import SCHEMA_VERSION, Cell, RunRecord

DATABASE, LOCK, SUITE, ARTIFACTS = "run.sqlite", "run.lock", "suite.yaml", "artifacts"
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cells (cell_id TEXT PRIMARY KEY, position INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE records (cell_id TEXT PRIMARY KEY REFERENCES cells, content TEXT NOT NULL);
"""


class Run:
    """What a run folder holds, for readers. Each call sees all records committed by then."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def suite(self) -> dict[str, Any]:
        """The resolved suite."""
        (value,) = self._query("SELECT value FROM meta WHERE key = 'suite'")[0]
        return dict(json.loads(value))

    def cells(self) -> list[Cell]:
        """Return all cells of the plan, in the order in which they run."""
        rows = self._query("SELECT content FROM cells ORDER BY position")
        return [Cell.model_validate_json(content) for (content,) in rows]

    def records(self) -> list[RunRecord]:
        """Return the records so far, in the order of the plan."""
        rows = self._query("SELECT r.content FROM records r JOIN cells USING (cell_id) ORDER BY position")
        return [RunRecord.model_validate_json(content) for (content,) in rows]

    def missing(self) -> list[Cell]:
        """Return the cells that have no record, or a failed one, in the order of the plan."""
        done = {record.cell_id for record in self.records() if record.status == "ok"}
        return [cell for cell in self.cells() if cell.cell_id not in done]

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        uri = _read_only_uri(self.directory / DATABASE)
        with _sentences(self.directory), closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def _check_version(self) -> None:
        ((version,),) = self._query("SELECT value FROM meta WHERE key = 'schema_version'")
        if int(version) > SCHEMA_VERSION:
            raise StoreError(f"{self.directory} was written by a newer skipbench; update this one to read it.")


class RunWriter(Run):
    """A run folder held by this process, the only one that may write to it."""

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        super().__init__(directory)
        self._connection = connection

    def save(self, records: Sequence[RunRecord]) -> None:
        """Commit `records` together: after a crash all of them are there, or none."""
        rows = [(record.cell_id, record.model_dump_json()) for record in records]
        with _sentences(self.directory), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", rows)

    def save_arrays(self, cell: Cell, arrays: Mapping[str, np.ndarray]) -> str:
        """Write `arrays` as the cell's .npz file and return its path inside the run folder.

        The file gets its name only when it is whole and on the disk. Raises StoreError.
        """
        path = self.directory / ARTIFACTS / f"{cell.cell_id}.npz"
        with _sentences(self.directory), whole_file(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return path.relative_to(self.directory).as_posix()


def open_run(directory: Path) -> Run:
    """Return the run in `directory` for reading, whether or not another process writes to it.

    Raises StoreError where the folder holds no run, or one of a newer version.
    """
    database = directory / DATABASE
    if not database.is_file():
        raise StoreError(f"{directory} holds no run; start one with: skipbench run SUITE --out {directory}")
    run = Run(directory)
    run._check_version()
    return run


@contextmanager
def write_run(directory: Path, suite: Mapping[str, Any], cells: Sequence[Cell]) -> Iterator[RunWriter]:
    """Hold `directory` for the plan `cells` of `suite`; make it, or go on where an earlier process ended.

    Raises StoreError, and leaves everything as it is, where another process holds the folder, where it
    holds another plan, or where it holds anything else.
    """
    _refuse_foreign(directory)
    with _held(directory), closing(_connect(directory)) as connection:
        run = RunWriter(directory, connection)
        with _sentences(directory):
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                _create(connection, suite, cells)
            run._check_version()
            _check_plan(run, suite, cells)
            _write_suite(directory, suite)
        yield run


def _plan_difference(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return the keys, of the suite or of a study, in which two resolved suites differ; names don't count."""
    pairs = [(stored, given)]
    studies = [suite.get("studies", []) for suite in (stored, given)]
    same_number = len(studies[0]) == len(studies[1])
    if same_number:
        pairs += zip(*studies, strict=True)
    uncounted = {"name", "description", *(["studies"] if same_number else [])}
    keys = {key for one, other in pairs for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    return sorted(keys - uncounted)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when the process ends, however it ends."""
    with _sentences(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(f"{directory} is in use by another skipbench process; wait for it.") from None
    try:
        yield
    finally:
        lock.release()


def _refuse_foreign(directory: Path) -> None:
    """Refuse a folder that holds neither a run nor nothing (but the lock of a start that was killed)."""
    if directory.exists() and not directory.is_dir():
        raise StoreError(f"{directory} is a file, expected a folder for the run.")
    if not directory.exists() or (directory / DATABASE).exists():
        return
    foreign = sorted(path.name for path in directory.iterdir() if path.name != LOCK)
    if foreign:
        raise StoreError(
            f"{directory} is not empty and holds no run (it holds {foreign[0]}); nothing is written over, "
            "choose another folder with --out."
        )


def _connect(directory: Path) -> sqlite3.Connection:
    with _sentences(directory):
        connection = sqlite3.connect(directory / DATABASE)
        connection.execute("PRAGMA journal_mode = WAL")  # readers never wait for the writer
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut; there are few
    return connection


def _create(connection: sqlite3.Connection, suite: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    meta = {"suite": json.dumps(suite), "schema_version": str(SCHEMA_VERSION)}
    rows = [(cell.cell_id, position, cell.model_dump_json()) for position, cell in enumerate(cells)]
    with connection:
        connection.execute("BEGIN")  # the whole plan or nothing: executescript would commit by itself
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        connection.executemany("INSERT INTO cells VALUES (?, ?, ?)", rows)


def _check_plan(run: Run, suite: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    if {cell.cell_id for cell in run.cells()} == {cell.cell_id for cell in cells}:
        return
    keys = _plan_difference(run.suite, suite)
    what = f"another suite (they differ in: {', '.join(keys)})" if keys else "a run on other data or plug-ins"
    raise StoreError(f"{run.directory} holds {what}; choose another folder with --out.")


def _write_suite(directory: Path, suite: Mapping[str, Any]) -> None:
    """Write the resolved suite for people; the database holds the one that counts."""
    write_whole(directory / SUITE, yaml.safe_dump(dict(suite), sort_keys=False))


def _read_only_uri(database: Path) -> str:
    """Return the URI to read `database` with.

    A reader of a WAL database writes a small index file beside it. In a folder that it may not write to
    the database can be read as it stands, provided that no log of a writer lies beside it.
    """
    sealed = not os.access(database.parent, os.W_OK) and not Path(f"{database}-wal").exists()
    return f"{database.resolve().as_uri()}?{'immutable=1' if sealed else 'mode=ro'}"


@contextmanager
def _sentences(directory: Path) -> Iterator[None]:
    """Turn what the disk and SQLite say into one sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        free = f" ({shutil.disk_usage(directory).free / 2**20:.0f} MiB free)" if directory.exists() else ""
        raise StoreError(f"cannot use {directory}{free}: {error}; the records already in it are kept.") from error
