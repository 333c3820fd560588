"""Text files as people's tools write them: any encoding, any line ends, with or without a byte-order mark."""

import csv
import io
import unicodedata
from pathlib import Path

from skipbench.bench.data.findings import FileError
from skipbench.bench.text import decoded

_SEPARATORS = ",;\t"


def composed(name: str) -> str:
    """Return a name with each accented letter as one character: systems write names of files in different ways."""
    return unicodedata.normalize("NFC", name)


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
