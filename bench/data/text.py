"""Text files as people's tools write them: any encoding, any line ends, with or without a byte-order mark."""

import codecs
import csv
import io
from pathlib import Path

from skipbench.bench.data.findings import FileError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which is how it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = ",;\t"


def decoded(content: bytes) -> str:
    """Return the text that a file's bytes are; lines end with a line feed.

    Without a mark it is UTF-8, or UTF-16 where every other byte is zero, or else Windows' Latin 1.
    Raises ValueError where it is none of them.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding:
        even, odd = content[:400:2], content[1:400:2]
        zeros = even.count(0), odd.count(0)
        encoding = "utf-8" if not any(zeros) else "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
        text = content.decode("cp1252")
    if "\0" in text:
        raise ValueError("it contains bytes that are no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """Return the text of a file. Raises FileError where it cannot be read or is no text."""
    try:
        return decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(path, f"cannot be read as text ({reason})") from None


def read_lines(path: Path) -> list[str]:
    """Return the lines that hold something and are no comments, without spaces around. Raises FileError."""
    lines = (line.strip() for line in read_text(path).split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def read_table(path: Path) -> list[list[str]]:
    """Return the rows of a table of comma-, semicolon- or tab-separated values, cells without spaces around.

    Raises FileError where it cannot be read.
    """
    text = read_text(path)
    first = text.lstrip("\n").split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=separator)]
    except csv.Error as error:
        raise FileError(path, f"cannot be read as CSV ({error})") from None
    return [row for row in rows if any(row)]
