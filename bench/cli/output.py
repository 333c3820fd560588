"""Tables on the terminal, and the same rows for other programs."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

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


def print_table(rows: Sequence[Mapping[str, str]], title: str | None = None) -> None:
    """Print rows of texts; a column of numbers, or of dashes where there is none, is set right."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in rows[0]:
        numeric = all(row[column][:1] in "0123456789–<≥" for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row.values())
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
        writer.writerows(rows)
