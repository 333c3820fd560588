"""Text from anywhere, made fit to print: on one line, without control characters, cut where it is long."""

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from reprlib import Repr
from typing import Any

MAX_LENGTH = 80  # characters of an input that an error message quotes
_FORMULA = re.compile(r"[=+@\t\r-]")  # at the start of a cell, where spreadsheets read a formula

_short = Repr()
_short.maxlevel, _short.maxstring, _short.maxother, _short.maxlong = 3, MAX_LENGTH, MAX_LENGTH, MAX_LENGTH


def one_line(text: str, width: int | None = None) -> str:
    """Return `text` on one line, control characters as escapes, cut in the middle to `width` where it is longer."""
    letters = " ".join(text.split())
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in letters)
    if width is None or len(line) <= width:
        return line
    tail = (width - 5) // 2
    return f"{line[: width - 5 - tail]} ... {line[len(line) - tail :]}"


def quoted(value: Any) -> str:
    """Return the `repr` of what was given, cut where it is long, deep or endless."""
    try:
        return one_line(_short.repr(value), MAX_LENGTH)
    except ValueError:  # an integer of more digits than Python writes
        return "a value with too many digits"


def shown(value: Any) -> str:
    """Return a value of a suite as people write it there: add, 0.002, true, [4, 8]."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def label(title: str, factors: Mapping[str, Any]) -> str:
    """Return an arm's label: "unet / fusion=add, recipe.lr=0.002"; without factors, its title."""
    parts = ", ".join(f"{key}={shown(value)}" for key, value in factors.items())
    return f"{title} / {parts}" if parts else title


def without(name: str, key: str, value: str) -> str:
    """Return an arm's label without its part on `key`, if there is one."""
    part = f"{key}={value}"
    for text in (f", {part}", f"{part}, ", f" / {part}"):
        if text in name:
            return name.replace(text, "", 1)
    return name


def extended(name: str, key: str, value: str) -> str:
    """Return an arm's label with one part more, which `without` takes away."""
    return f"{name}{', ' if ' / ' in name else ' / '}{key}={value}"


def inert(value: Any) -> Any:
    """Return a cell that is safe in a spreadsheet: text that would run as a formula gets a ' in front."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text without its full stop, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")


def in_words(error: BaseException) -> str:
    """Return an error of somebody else's code as text: "ValueError: no idea"."""
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        text = "no message"
    return one_line(f"{type(error).__name__}: {text}", 300).removesuffix(".")


def where(error: BaseException, file: str) -> str:
    """Return where an error arose: ", line 3" in `file`, ", helper.py, line 3" in a file beside it, else ""."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    near = [(Path(name), line) for name, line in places if Path(name).parent == Path(file).parent]
    if not near:
        return ""
    name, line = near[-1]
    return f", line {line}" if name == Path(file) else f", {name.name}, line {line}"


def human_time(seconds: float) -> str:
    """Return "< 1 s", "45 s", "3 min 20 s" or "2 h 05 min"."""
    if seconds < 1:
        return "< 1 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def quieter(logger: str, level: int) -> Iterator[None]:
    """Silence the logger of that name below `level` while the block runs."""
    named = logging.getLogger(logger)
    before = named.level
    named.setLevel(level)
    try:
        yield
    finally:
        named.setLevel(before)
