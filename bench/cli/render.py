"""`skipbench report`, `plot` and `results`: pages, pictures and tables from run folders."""

from pathlib import Path
from typing import Annotated

import typer

from skipbench.bench.cli.options import Plugins, RunFolder
from skipbench.bench.plugins import load_plugins
from skipbench.reports.figures import FORMATS, figure_names


def _begun(incomplete: str) -> list[str]:
    """Return the figures that a shell may complete a name to."""
    return [name for name in figure_names() if name.startswith(incomplete)]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(report)
    app.command()(plot)
    app.command()(results)


def report(
    directory: RunFolder,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write; DIR/report by default.")] = None,
    plugin: Plugins = None,
) -> None:
    """Write the report of a run: one HTML page that opens offline.

    Its tables and figures lie beside it. It may be written while the run goes on; what is missing by then
    is shown as missing. --out names a new folder, an empty one, or one that this command has written.

    \b
    Examples:
      skipbench report runs/quick
      skipbench report runs/quick --plugin my_figure.py
    """
    from skipbench.reports import write_report

    load_plugins(plugin or [])  # torch stays out of it
    print(f"report: {write_report(directory, out)}")


def plot(
    directory: RunFolder,
    kind: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Which figure: {', '.join(figure_names())}, or a plug-in's.",
            autocompletion=_begun,
        ),
    ] = "pareto",
    format: Annotated[str, typer.Option(metavar="FORMAT", help=f"How to save it: {', '.join(FORMATS)}.")] = "png",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; DIR/report/figures by default.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="The task, where the run has several.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="The dataset, where the run has several.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Draw one figure of a run; of a kind that is drawn for each factor, all of them.

    --out names a new file, or one that skipbench has written; no other is overwritten.

    \b
    Examples:
      skipbench plot runs/quick --kind pareto --task pose
      skipbench plot runs/quick --kind breakdown --task detection --format svg
    """
    from skipbench.reports import write_plot

    load_plugins(plugin or [])  # torch stays out of it
    for file in write_plot(directory, kind, format, out, task, dataset):
        print(f"figure: {file}")


def results(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Run folders, as `skipbench run` makes them.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("RESULTS.md"),
) -> None:
    """Write what runs have shown, with budget, seeds and machine, and what they can't show.

    Per study: the score of each arm with its interval and every seed, its cost, its latency and how fast it
    trained. A file that this command did not write is never overwritten.

    \b
    Examples:
      skipbench results runs/quick
      skipbench results runs/camvid runs/bccd --out RESULTS.md
    """
    from skipbench.reports import write_results

    print(f"results: {write_results(directories, out)}")
