"""Text from anywhere, made fit to print: on one line, without control characters, cut where it is long."""

import json
import logging
import re
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os.path import commonprefix
from pathlib import Path
from reprlib import Repr
from textwrap import wrap
from typing import Any
from unicodedata import combining, east_asian_width

MAX_LENGTH = 80  # characters of an input that an error message quotes
_FORMULA = re.compile(r"[=+@\t\r-]")  # at the start of a cell, where spreadsheets read a formula
_RIGHT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+"  # Hebrew, Arabic and their neighbours
_FROM_RIGHT = re.compile(rf"{_RIGHT}(\s+{_RIGHT})*")

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


def cells(text: str) -> int:
    """Return how many letters' room a text takes: a Chinese one has that of two."""
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def wrapped(text: str, room: int) -> list[str]:
    """Return a text on lines of at most so many `cells`."""
    padded = "".join(letter + "\0" * (cells(letter) - 1) for letter in one_line(text))
    return [line.replace("\0", "") for line in wrap(padded, max(2, room))]


def shortened(names: Sequence[str], room: int) -> list[str]:
    """Return names on one line in at most so many `cells`; what does not fit is left out, and all still differ.

    Left out is the middle or, of names that would look alike, what they have in common. Those that differ in too
    many places get a number.
    """
    lines = {name: one_line(name) for name in names}
    short = {name: _cut(line, room) for name, line in lines.items()}
    for alike in _alike(short):
        short |= zip(alike, _apart([lines[name] for name in alike], room), strict=True)
    for alike in _alike(short):
        for number, name in enumerate(alike, 1):
            short[name] = f"{_cut(lines[name], room - 2 - len(str(number)))} #{number}"
    return [short[name] for name in names]


def _cut(line: str, room: int) -> str:
    if cells(line) <= room:
        return line
    end = max(0, (room - 1) // 2)
    return f"{_start(line, room - 1 - end).rstrip()}…{_end(line, end).lstrip()}"


def _start(line: str, room: int) -> str:
    """Return as much of the start of a line as fits."""
    while cells(line) > max(0, room):
        line = line[: min(len(line) - 1, max(0, room))]
    return line


def _end(line: str, room: int) -> str:
    return _start(line[::-1], room)[::-1]


def _alike(short: Mapping[str, str]) -> list[list[str]]:
    """Return the groups of names that look the same."""
    often = Counter(short.values())
    return [[name for name in short if short[name] == text] for text, number in often.items() if number > 1]


def _apart(lines: Sequence[str], room: int) -> list[str]:
    """Return lines with what differs, and as much of what is the same before and after it as fits."""
    start = len(commonprefix(lines))  # noqa: RUF071 - letter by letter
    end = len(commonprefix([line[start:][::-1] for line in lines]))  # noqa: RUF071
    middles = [line[start : len(line) - end] for line in lines]
    if not all(middles) or room < 8:
        return [_cut(line, room) for line in lines]
    kept = shortened(middles, room - 6)
    free = room - max(map(cells, kept)) - 2  # but for two marks of what is left out
    before, after = lines[0][:start], lines[0][len(lines[0]) - end :]
    head = before if cells(before) <= free // 2 else f"{_start(before, free // 2).rstrip()}…"
    free -= cells(head)
    tail = after if cells(after) <= free else f"…{_end(after, free).lstrip()}"
    return [f"{head}{middle}{tail}" for middle in kept]


def isolated(text: str) -> str:
    """Return a text in which what is written from right to left leaves what stands beside it where it is."""
    return text if text.isascii() else _FROM_RIGHT.sub("\u2068\\g<0>\u2069", text)


def quoted(value: Any) -> str:
    """Return the `repr` of what was given, cut where it is long, deep or endless."""
    try:
        return one_line(_short.repr(value), MAX_LENGTH)
    except ValueError:  # an integer of more digits than Python writes
        return "a value with too many digits"


def shown(value: Any) -> str:
    """Return a value of a suite as people write it there: add, 0.002, 10, true, [4, 8]."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
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
