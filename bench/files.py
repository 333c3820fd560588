"""Files that are whole or not there, and what may be written over."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from skipbench.bench.errors import StoreError

MARK = "Written by skipbench"  # in files that a command may write over: only its own
_DRAFT = ".skipbench-{}.partial"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is called `path` once the block has ended without an error; else nothing has changed.

    It lies beside `path` under another name until its content is on the disk. Such files of processes that
    were killed are removed. Where `path` is a link, the file that it leads to is replaced. Raises OSError.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(_DRAFT.format("*")):
        _remove_dead(left)
    draft, file = _draft(path.parent)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Write `text` as a `whole_file` in UTF-8; what cannot be written so, such as half a surrogate pair, as "?"."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8", errors="replace"))


def link_whole(source: Path, target: Path) -> None:
    """Give the file `source` the name `target` too, or a copy of it where the disk cannot. Raises OSError.

    A link is safe: a `whole_file` takes the place of another and never changes it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, one without links, or there is such a file
        with source.open("rb") as content, whole_file(target) as file:
            shutil.copyfileobj(content, file)


def require_own(path: Path) -> None:
    """Raise StoreError where `path` exists and is not a file with MARK in it."""
    if os.path.lexists(path) and not (path.is_file() and MARK.encode() in path.read_bytes()):
        raise StoreError(f"{path} was not written by this command, and is not overwritten; choose another --out.")


class OwnFolder:
    """A folder in which files are written whole, and no file is written over that was not written so.

    It is new, empty, or one that was used so before: a list in it names what was written. Raises StoreError for any
    other folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._list = folder, folder / "written_by_skipbench.txt"
        if os.path.lexists(folder) and not folder.is_dir():
            raise StoreError(f"{folder} is not a folder; choose another --out.")
        if folder.is_dir() and any(folder.iterdir()) and not self._list.is_file():
            raise StoreError(f"{folder} holds files that this command did not write; choose another --out.")
        listed = self._list.read_text(encoding="utf-8").splitlines() if self._list.is_file() else []
        self._own = set(listed)

    def write(self, name: str, content: bytes) -> None:
        """Write the file `name`, a path in the folder. Raises StoreError where another's file has that name."""
        path = self._folder / name
        if name not in self._own:
            if os.path.lexists(path):
                raise StoreError(f"{path} was not written by this command, and is not overwritten; move it away.")
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._list.open("a", encoding="utf-8") as file:  # before the file: a killed process may go on
                file.write(f"{name}\n")
            self._own.add(name)
        with whole_file(path) as written:
            written.write(content)


def _draft(folder: Path) -> tuple[Path, BinaryIO]:
    """Return a new draft, locked for as long as it is open, so that others can tell that its process lives."""
    while True:
        draft = folder / _DRAFT.format(secrets.token_hex(4))
        file = draft.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if draft.exists():  # it may have been taken for a dead one before it was locked
            return draft, file
        file.close()


def _remove_dead(draft: Path) -> None:
    with suppress(OSError), draft.open("rb") as file:  # another process may remove it first, or hold it
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.unlink()
