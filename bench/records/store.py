"""The run folder: a store of cells under their hashes, and a record for each that has ended, in one SQLite file.

A plan is what is asked of it now: cells of earlier plans stay with their records, and are measured no more.
Many may read while one writes. A record is committed when its cell ends, with its files already in place,
so a process killed at any moment loses only the cell it was working on. A failed cell has a record with
its reason; the next run tries it again, and the new record takes the place of the old one.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import yaml

from skipbench.bench.files import whole_file, write_whole
from skipbench.bench.records import SCHEMA_VERSION, Cell, RunRecord
from skipbench.bench.records.holding import ARTIFACTS, SUITE, empty_log, held, patiently
from skipbench.bench.records.metrics import Declared, to_json
from skipbench.bench.records.outcomes import Outcomes, digest, no_measurement
from skipbench.bench.records.reader import Run, open_run, sentences
from skipbench.bench.records.tables import to_parquet

__all__ = ["Outcomes", "Run", "RunWriter", "open_run", "write_run"]

_KEPT = "; the records already in it are kept"
CELLS = "(cell_id TEXT PRIMARY KEY, position INTEGER, content TEXT NOT NULL)"  # no position: not of the newest plan
TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    f"CREATE TABLE cells {CELLS}",
    "CREATE TABLE records (cell_id TEXT PRIMARY KEY REFERENCES cells, content TEXT NOT NULL)",
)
SET_META = """
INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
"""
FROM_3 = (  # where every cell had a position
    f"CREATE TABLE cells_4 {CELLS}",
    "INSERT INTO cells_4 SELECT cell_id, position, content FROM cells",
    "DROP TABLE cells",
    "ALTER TABLE cells_4 RENAME TO cells",
)


class RunWriter(Run):
    """A run folder held by this process, the only one that may write to it."""

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        super().__init__(directory)
        self._connection = connection

    def save(self, records: Sequence[RunRecord]) -> None:
        """Commit `records` together: after a crash all of them are there, or none."""
        rows = [(record.cell_id, record.model_dump_json()) for record in records]
        # a record that has its digest needs no other check, so one that holds what no measurement leaves gets none
        digests = [
            (f"digest/{record.cell_id}", "" if no_measurement(record) else digest(content.encode()))
            for record, (_, content) in zip(records, rows, strict=True)
        ]

        def insert() -> None:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", rows)
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", digests)
            empty_log(self._connection)

        with sentences(self.directory, _KEPT):
            patiently(insert)

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

    def drop_artifact(self, record: RunRecord, role: str) -> None:
        """Remove one of a record's files; where a process is killed here, a file stays that no record names."""
        kept = {name: path for name, path in record.artifacts.items() if name != role}
        self.save([record.model_copy(update={"artifacts": kept})])
        with sentences(self.directory, _KEPT):
            (self.directory / record.artifacts[role]).unlink(missing_ok=True)

    @contextmanager
    def _artifact(self, cell: Cell, name: str) -> Iterator[tuple[str, BinaryIO]]:
        path = f"{ARTIFACTS}/{cell.cell_id}.{name}"
        with sentences(self.directory, _KEPT), whole_file(self.directory / path) as file:
            yield path, file


@contextmanager
def write_run(
    directory: Path, suite: Mapping[str, Any], cells: Sequence[Cell], declared: Declared | None = None
) -> Iterator[RunWriter]:
    """Hold `directory` for the plan `cells` of `suite`: make it, or go on with what is there.

    A cell that another plan has measured is not missing. Cells that only earlier plans name are kept aside.
    `declared` says what the records can hold; a value that nothing declares is shown under its own key.
    Raises StoreError, and leaves everything as it is, where another process holds the folder, or where it
    holds anything but a run.
    """
    meta = {
        "schema_version": str(SCHEMA_VERSION),
        "suite": json.dumps(suite),
        "metrics": to_json(declared or {}),
    }
    rows = [(cell.cell_id, position, cell.model_dump_json()) for position, cell in enumerate(cells)]
    with held(directory) as connection:
        with sentences(directory):
            patiently(lambda: _adopt(connection, meta, rows))
            empty_log(connection)
            # for people; the database holds the one that counts
            write_whole(directory / SUITE, yaml.safe_dump(dict(suite), sort_keys=False))
        yield RunWriter(directory, connection)


def _adopt(connection: sqlite3.Connection, meta: dict[str, str], rows: Sequence[tuple[str, int, str]]) -> None:
    """Make `rows` the plan: after a crash the folder has the whole of it, or the whole of the one before."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            _execute(connection, TABLES)
        elif connection.execute("SELECT 1 FROM meta WHERE key = 'schema_version' AND value = '3'").fetchone():
            _execute(connection, FROM_3)
        # as bytes: what is damaged need not be text
        before = set(connection.execute("SELECT cell_id, position, CAST(content AS BLOB) FROM cells"))
        changed = [row for row in rows if (*row[:2], row[2].encode()) not in before]
        left = {cell_id for cell_id, position, _ in before if position is not None} - {row[0] for row in rows}
        connection.executemany(
            "UPDATE cells SET position = NULL WHERE cell_id = ?", [(cell_id,) for cell_id in left]
        )
        connection.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", changed)
        digests = {f"cell/{cell_id}": digest(content.encode()) for cell_id, _, content in changed}
        connection.executemany(SET_META, {**meta, **digests}.items())


def _execute(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:  # executescript would commit by itself
        connection.execute(statement)
