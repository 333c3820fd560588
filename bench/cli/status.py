"""`skipbench status`: what a run has done, what failed and what is missing."""

import shlex
from collections import Counter

import typer

from bench.cli.options import RunFolder


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(status)


def status(directory: RunFolder) -> None:
    """Show each cell of a run: ok, failed and why, or missing. Works while the run goes on.

    \b
    Example:
      skipbench status runs/quick
    """
    from bench.cli.output import print_table
    from bench.store import open_run

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
    print_table(rows, title=f"{run.suite.get('name', 'run')} in {directory}", cut="reason")
    counts = Counter(row["status"] for row in rows)
    shares = ", ".join(f"{counts[state]} {state}" for state in ("ok", "failed", "missing"))
    print(f"{shares} of {len(rows)} cells.")
    print(f"Next: skipbench report {shlex.quote(str(directory))}")
