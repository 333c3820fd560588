"""`skipbench status`: what a run has done, what failed, what is missing, and what is kept aside."""

import shlex
from collections import Counter
from typing import Annotated

import typer

from skipbench.bench.cli.options import RunFolder
from skipbench.bench.cli.output import print_table
from skipbench.bench.records import Cell
from skipbench.bench.records.outcomes import State
from skipbench.bench.records.reader import open_run

MAX_LISTED = 500  # cells; of a larger run only those that are not ok are listed


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(status)


def status(
    directory: RunFolder,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="List all cells of a large run, not just those that are not ok, and those kept aside."
        ),
    ] = False,
) -> None:
    """Show each cell of a run's newest plan: ok, failed and why, or missing. Works while the run goes on.

    Cells that only earlier plans name are kept aside: no report shows them, and a plan that names them again
    finds them.

    \b
    Example:
      skipbench status runs/quick
    """
    run = open_run(directory)
    rows, name, folder = (
        [_row(*each) for each in run.states()],
        run.suite.get("name", "run"),
        shlex.quote(str(directory)),
    )
    listed = rows if every or len(rows) <= MAX_LISTED else [row for row in rows if row["status"] != "ok"]
    print_table(listed, title=f"{name} in {directory}", cut="reason")
    counts = Counter(row["status"] for row in rows)
    shares = ", ".join(f"{counts[state]} {state}" for state in ("ok", "failed", "missing"))
    print(f"{shares} of {len(rows)} cells.")
    if listed != rows:
        print("Cells that are ok are not listed; --all lists them.")
    if aside := run.count_aside():
        if every:
            print_table(
                [_row(*each) for each in run.states(aside=True)],
                title="kept aside: cells that only earlier plans name",
                cut="reason",
            )
        told = "" if every else "--all lists them, "
        print(f"{aside} cells of earlier plans are kept aside; {told}skipbench gc {folder} removes them.")
    print(f"Next: skipbench report {folder}")


def _row(cell: Cell, state: State) -> dict[str, str]:
    seconds = "–" if state.seconds is None else f"{state.seconds:.1f}"
    return {"cell": cell.name, "status": state.status, "seconds": seconds, "reason": state.reason or ""}
