"""`skipbench gc`: remove from a run folder what its newest plan doesn't name."""

from typing import Annotated

import typer

from skipbench.bench.cli.options import RunFolder
from skipbench.bench.records.garbage import collect_garbage


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(gc)


def gc(
    directory: RunFolder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")] = False,
) -> None:
    """Remove cells, records and artifacts that the newest plan of a run doesn't name.

    What earlier plans have measured is lost: asked for again, it is measured again. Artifacts that killed runs
    have left behind are removed too.

    \b
    Examples:
      skipbench gc runs/quick --dry-run
      skipbench gc runs/quick
    """
    found = collect_garbage(directory, dry_run)
    done = "Would remove" if dry_run else "Removed"
    what = (
        f"cells {found.cells}, records {found.records}, files {len(found.files)}; {found.size_bytes / 1e6:.1f} MB"
    )
    print(f"{done} what the newest plan doesn't name: {what}.")
