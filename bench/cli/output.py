"""Tables on the terminal, and the same rows for other programs."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from skipbench.display import inert, one_line, shortened

NARROWEST = 40  # columns that a text is cut to at most
NAMES = ("cell", "arm")  # columns that may hold long names
PIPE_WIDTH = 180  # columns; a pipe has no width of its own, and rich's 80 would cut a table


class Format(str, Enum):
    """How a command prints its rows."""

    table = "table"
    csv = "csv"
    json = "json"


def console() -> Console:
    """Return standard output as rich sees it."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(width=PIPE_WIDTH, highlight=False)


@contextmanager
def progress(label: str) -> Iterator[Callable[[float], None]]:
    """Show a bar with the time left on standard error, if that is a terminal; yields what to tell shares done."""
    errors = Console(stderr=True)
    with Progress(console=errors, disable=not errors.is_terminal, transient=True) as bars:
        bar = bars.add_task(label, total=1.0)
        yield lambda share: bars.update(bar, completed=min(share, 1.0))


def print_table(rows: Sequence[Mapping[str, str]], title: str = "", cut: str = "") -> None:
    """Print rows of texts, whatever is in them, as they are, a row a line where it fits.

    A column of numbers, or of dashes where there is none, is set right. Where a row does not fit a line, texts of
    the column `cut` lose their middle to the width that is left, then names of cells and arms, which still differ.
    """
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    columns = {column: [one_line(row[column]) for row in rows] for column in rows[0]}
    widths = {column: 2 + max(map(cell_len, [column, *texts])) for column, texts in columns.items()}
    for column in (name for name in (cut, *NAMES) if name in columns):
        beyond = sum(widths.values()) - console().width
        if beyond > 0:
            columns[column] = shortened(columns[column], max(NARROWEST, widths[column] - beyond - 2))
            widths[column] = 2 + max(map(cell_len, [column, *columns[column]]))
    for column, texts in columns.items():
        numeric = all(text[:1] in "0123456789–<≥" for text in texts)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    if title:
        console().print(Text(one_line(title), style="italic"))
    console().print(table)


def print_rows(
    format: Format,
    rows: Sequence[Mapping[str, Any]],
    details: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, str]],
) -> None:
    """Print flat `rows` as CSV, the same with `details` as JSON, or the `lines` made of them as a table."""
    if format is Format.table:
        print_table(lines)
    elif format is Format.json:
        print(json.dumps([{**row, **detail} for row, detail in zip(rows, details, strict=True)], indent=2))
    else:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: inert(value) for column, value in row.items()} for row in rows)
