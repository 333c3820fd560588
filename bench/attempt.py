"""Trying what may fail: somebody else's fusion, a network too large for the machine."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from skipbench.bench.errors import BenchError, StoreError
from skipbench.display import one_line
from skipbench.errors import SkipbenchError

Result = TypeVar("Result")
OUT_OF_MEMORY = ("out of memory", "can't allocate memory")  # what torch says on a GPU and on a CPU


@dataclass(frozen=True)
class Failure:
    """Why there is no result."""

    reason: str
    trace: str = ""  # as Python prints it, for whoever wrote what failed
    died: bool = False  # whether it took its process with it


def attempt(measure: Callable[[], Result]) -> Result | Failure:
    """Return what `measure` returns, or why it raised; a folder that can't be written to is no failure of it."""
    try:
        return measure()
    except (StoreError, KeyboardInterrupt):
        raise
    except BaseException as error:  # somebody else's code may raise anything, SystemExit too
        return failed(error)


def insist(measure: Callable[[], Result], what: str) -> Result:
    """Return what `measure` returns. Raises BenchError with one sentence on whatever it raises."""
    result = attempt(measure)
    if isinstance(result, Failure):
        raise BenchError(f"{what} cannot be measured: {result.reason}")
    return result


def failed(error: BaseException) -> Failure:
    """Return the failure that an error is."""
    return Failure(reason(error), "".join(traceback.format_exception(error)))


def reason(error: BaseException) -> str:
    """Return one sentence: the project's own as it is, any other error with the place where it arose."""
    if isinstance(error, SkipbenchError):
        return str(error)
    try:
        text = one_line(str(error).strip().partition("\n")[0], 300) or "no message"
    except Exception:
        text = "no message"
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return f"out of memory: {text}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]  # where a reader can do something
    place = (ours or frames)[-1]
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}, line {place.lineno})"
