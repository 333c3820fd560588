"""`skipbench results`: what runs have shown, as one Markdown file."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(results)


def results(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Run folders, as `skipbench run` makes them.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to.")] = Path("RESULTS.md"),
) -> None:
    """Write what runs have shown, with budget, seeds and machine, and what they can't show.

    Per study: the score of each arm with its interval and every seed, its cost, its latency and how fast it
    trained. A file that this command did not write is never written over.

    \b
    Examples:
      skipbench results runs/quick
      skipbench results runs/camvid runs/bccd --out RESULTS.md
    """
    from skipbench.reports import write_results

    print(f"results: {write_results(directories, out)}")
