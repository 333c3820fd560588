"""Holding a run folder: one process at a time may change it, and what is no run is left as it is."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from skipbench.bench.errors import StoreError
from skipbench.bench.records.reader import DATABASE, Run, sentences

LOCK, SUITE, ARTIFACTS, STATES = "run.lock", "suite.yaml", "artifacts", "states"
PATIENCE_S, TIMEOUT_S = 600, 5  # in all, and at a time, with another program that has locked the database


@contextmanager
def held(directory: Path) -> Iterator[sqlite3.Connection]:
    """Hold `directory`, which is made where it isn't there, and yield its database, which may be empty.

    Raises StoreError, and leaves everything as it is, where another process holds it, or where it holds
    neither a run that this version can read nor nothing.
    """
    refuse_foreign(directory)
    with _locked(directory), closing(_connect(directory)) as connection:
        yield connection


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
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


def refuse_foreign(directory: Path) -> None:
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
        patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").close())  # readers never wait
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut; there are few
    return connection


def _refuse_emptied(directory: Path) -> None:
    """Refuse a database without a plan beside what only a run with one can have written."""
    left = [name for name in (SUITE, ARTIFACTS) if (directory / name).exists()]
    if left:
        raise StoreError(
            f"{directory / DATABASE} is empty, but the folder still contains {left[0]} of a run: restore it "
            "from a copy, or choose another folder with --out."
        )


def empty_log(connection: sqlite3.Connection) -> None:
    """Move what is committed from the log into the database itself, which is then all that has to be copied."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def patiently(change: Callable[[], None]) -> None:
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
