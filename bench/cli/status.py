"""`skipbench status`: what a run has done, what failed and what is missing."""

import shlex
from collections import Counter
from typing import Annotated

import typer

from skipbench.bench.cli.options import RunFolder
from skipbench.bench.cli.output import print_table
from skipbench.bench.records.store import open_run

MAX_LISTED = 500  # cells; of a larger run only those that are not ok are listed


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(status)


def status(
    directory: RunFolder,
    every: Annotated[
        bool, typer.Option("--all", help="List all cells of a large run, not just those that are not ok.")
    ] = False,
) -> None:
    """Show each cell of a run: ok, failed and why, or missing. Works while the run goes on.

    \b
    Example:
      skipbench status runs/quick
    """
    run = open_run(directory)
    found = run.outcomes()
    records = {record.cell_id: record for record in found.records}
    rows = []
    for cell in found.cells:
        record = records.get(cell.cell_id)
        lost = found.unreadable.get(cell.cell_id)
        rows.append(
            {
                "cell": cell.name,
                "status": record.status if record else "missing",
                "seconds": f"{record.seconds:.1f}" if record and record.seconds is not None else "–",
                "reason": (record.reason if record else lost and f"its record cannot be read: {lost}") or "",
            }
        )
    listed = rows if every or len(rows) <= MAX_LISTED else [row for row in rows if row["status"] != "ok"]
    if listed:
        print_table(listed, title=f"{run.suite.get('name', 'run')} in {directory}", cut="reason")
    counts = Counter(row["status"] for row in rows)
    shares = ", ".join(f"{counts[state]} {state}" for state in ("ok", "failed", "missing"))
    print(f"{shares} of {len(rows)} cells.")
    if listed != rows:
        print("Cells that are ok are not listed; --all lists them.")
    print(f"Next: skipbench report {shlex.quote(str(directory))}")
