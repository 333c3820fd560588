"""`skipbench tables`: the tables of a run's report for papers and for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from skipbench.bench.cli.options import Arms, DatasetName, Plugins, RunFolder, TaskName
from skipbench.bench.cli.output import print_table
from skipbench.bench.errors import SuiteError
from skipbench.bench.plugins import load_plugins
from skipbench.reports.figures import TABLE_FORMATS


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(tables)


def tables(
    directory: RunFolder,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="TABLE", help="Names or patterns, with or without the study; all if none is given."),
    ] = None,
    format: Annotated[
        str, typer.Option(metavar="|".join(TABLE_FORMATS), help="How to write them.", show_default=True)
    ] = "markdown",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for a file per table, instead of printing them.")
    ] = None,
    arms: Arms = None,
    task: TaskName = None,
    dataset: DatasetName = None,
    plugin: Plugins = None,
) -> None:
    """Print the tables of a run's report, or write them to a folder; without TABLE and DIR, list them.

    Markdown and LaTeX hold what people read, CSV and Parquet all facts at full precision. LaTeX is a tabular with
    the rules of booktabs and columns of siunitx, to stand in a table: \\input{paper/accuracy.tex}.

    \b
    Examples:
      skipbench tables runs/quick                                   which there are
      skipbench tables runs/quick accuracy --task pose --format latex
      skipbench tables runs/quick "factor-*" cost --arms "unet*" --format latex --out paper/tables
      skipbench tables runs/quick --format parquet --out facts
    """
    from skipbench.reports.export import as_text, read_tables, require_format, write_tables

    require_format(format)
    if format == "parquet" and out is None and names:
        raise SuiteError("Parquet is no text that could be printed: name a folder with --out.")
    load_plugins(plugin or [])  # torch stays out of it
    found = read_tables(directory, names or (), task, dataset, arms or ())
    if out is not None:
        for file in write_tables(found, format, out):
            print(f"table: {file}")
    elif names:
        print("\n\n".join(as_text(table, format).rstrip() for table in found.values()))
    else:
        print_table(
            [
                {"table": name, "rows": str(len(table.frame)), "what it holds": table.caption}
                for name, table in found.items()
            ],
            cut="what it holds",
        )
