"""`skipbench report`, `plot` and `results`: pages, pictures and tables from run folders."""

from pathlib import Path
from typing import Annotated

import typer

from skipbench.bench.cli.options import Arms, DatasetName, Plugins, RunFolder, TaskName
from skipbench.bench.errors import SuiteError
from skipbench.bench.plugins import load_plugins
from skipbench.reports.figures import FORMATS, WIDTHS, figure_names


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
    figure: Annotated[
        str | None,
        typer.Argument(
            metavar="FIGURE",
            help=f"Which figure: {', '.join(figure_names())}, or a plug-in's; all: every one.",
            autocompletion=_begun,
            show_default="pareto",
        ),
    ] = None,
    format: Annotated[str, typer.Option(metavar="FORMAT", help=f"How to save it: {', '.join(FORMATS)}.")] = "png",
    width: Annotated[
        str,
        typer.Option(metavar="|".join(WIDTHS), help="For a column of a journal, for both, or as in the report."),
    ] = "page",
    arms: Arms = None,
    style: Annotated[
        str | None, typer.Option(metavar="NAME_OR_FILE", help="A style of matplotlib's, or an .mplstyle file.")
    ] = None,
    font_size: Annotated[
        float | None, typer.Option(metavar="PT", help="Of its text; 7 in a journal, 10 in the report if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; of all figures, a folder.")
    ] = None,
    task: TaskName = None,
    dataset: DatasetName = None,
    kind: Annotated[str | None, typer.Option(hidden=True, help="FIGURE, as it was given before.")] = None,
    plugin: Plugins = None,
) -> None:
    """Draw one figure of a run, or all; of a kind that is drawn for each factor, all of them.

    --width column makes it 3.3 in wide, which fits a column of CVPR, ICCV, ICML, ACM, IEEE and Nature, and
    two-column 6.9 in, which fits both columns; page is the 9.5 in of the report. A PDF has its fonts embedded as
    TrueType; the text of an SVG is paths, which look the same everywhere. A style changes fonts, lines and paper;
    arms keep colours that the colour-blind can tell apart.
    Figures go to report/figures in the run folder, or to figures where they aren't as in the report. --out names a
    new file, or one that skipbench has written; no other is overwritten.

    \b
    Examples:
      skipbench plot runs/quick pareto --task pose
      skipbench plot runs/quick accuracy --task pose --width column --format pdf --arms "unet*" --arms fpn
      skipbench plot runs/quick all --width two-column --format pdf --out paper/figures
      skipbench plot runs/quick breakdown --task detection --style my.mplstyle --font-size 8 --format svg
    """
    from skipbench.reports import Paper, write_plot, write_plots

    load_plugins(plugin or [])  # torch stays out of it
    name, paper = figure or kind or "pareto", Paper(width, style, font_size)
    lacking: list[str] = []
    if not directory.exists() and str(directory) in (*figure_names(), "all"):
        raise SuiteError(f"the run folder comes first: skipbench plot {name} {directory}")
    if name == "all":
        files, lacking = write_plots(directory, format, out, task, dataset, arms or (), paper)
    else:
        files = write_plot(directory, name, format, out, task, dataset, arms or (), paper)
    for file in files:
        print(f"figure: {file}")
    for reason in lacking:
        print(f"nothing to show in {reason}")


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
