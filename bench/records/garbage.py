"""What a run folder holds beyond its newest plan: cells of earlier plans, and files that no record names."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from skipbench.bench.records.holding import ARTIFACTS, STATES, empty_log, held, patiently
from skipbench.bench.records.reader import Run, open_run, sentences

_BEYOND = "cell_id NOT IN (SELECT cell_id FROM cells WHERE position IS NOT NULL)"
_DELETIONS = (
    f"DELETE FROM records WHERE {_BEYOND}",
    f"DELETE FROM cells WHERE {_BEYOND}",
    "DELETE FROM meta WHERE key LIKE 'cell/%' AND substr(key, 6) NOT IN (SELECT cell_id FROM cells)",
    "DELETE FROM meta WHERE key LIKE 'digest/%' AND substr(key, 8) NOT IN (SELECT cell_id FROM records)",
)


@dataclass(frozen=True)
class Garbage:
    """What is removed, and how much room it takes."""

    cells: int
    records: int
    files: list[Path]
    size_bytes: int


def collect_garbage(directory: Path, dry_run: bool = False) -> Garbage:
    """Remove from a run folder what its newest plan doesn't name, and return what that was; or only return it.

    The files of a record that cannot be read are kept: it may come back from a copy. A process that is killed here
    leaves files that no record names, for the next call. Raises StoreError where the folder holds no run, where it
    is in use, or where its plan is damaged.
    """
    open_run(directory)  # before a folder is made
    with held(directory) as connection, sentences(directory):
        found = _garbage(Run(directory), connection)
        if not dry_run:
            patiently(lambda: _delete(connection))
            for file in found.files:
                file.unlink(missing_ok=True)
            patiently(lambda: connection.execute("VACUUM").close())  # the room goes back to the disk
            empty_log(connection)
    return found


def _garbage(run: Run, connection: sqlite3.Connection) -> Garbage:
    files = _unnamed(run)
    size = sum(file.lstat().st_size for file in files)
    counts = {}
    for table in ("cells", "records"):
        sizes = f"SELECT count(*), total(length(CAST(content AS BLOB))) FROM {table} WHERE {_BEYOND}"
        counts[table], room = connection.execute(sizes).fetchone()
        size += int(room)
    return Garbage(counts["cells"], counts["records"], files, size)


def _delete(connection: sqlite3.Connection) -> None:
    with connection:
        for statement in _DELETIONS:
            connection.execute(statement)


def _unnamed(run: Run) -> list[Path]:
    """Return the artifacts that no record of the plan names, and states from which none of its cells goes on."""
    outcomes = run.outcomes()
    named = {path for record in outcomes.records for path in record.artifacts.values()}
    named |= {f"{STATES}/{cell.cell_id}" for cell in outcomes.missing}
    folders = (run.directory / ARTIFACTS, run.directory / STATES)
    paths = (path for folder in folders for path in folder.rglob("*"))
    files = (path for path in paths if path.is_symlink() or path.is_file())
    return sorted(
        file
        for file in files
        if file.relative_to(run.directory).as_posix() not in named
        and file.name.partition(".")[0] not in outcomes.unreadable
    )
