"""Files and folders that are whole or not there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skipbench.archs.errors import WriteError


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yield where to write the file or folder that is called `path` once the block has ended without an error.

    It is of the same name, in a hidden folder beside `path` that is removed in any case; where a process was
    killed, by the next one that writes `path`. A folder may only replace an empty one.
    Raises WriteError where it cannot be written; then nothing has changed.
    """
    folder = path.parent / f".{path.name}.draft"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        draft = folder / path.name
        yield draft
        for file in filter(Path.is_file, [draft, *draft.rglob("*")]):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error
    except WriteError as error:  # of a file in the folder
        raise WriteError(path, error.reason) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
