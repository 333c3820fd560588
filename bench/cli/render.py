"""`skipbench report` and `skipbench plot`: pages and pictures from a run folder."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import RunFolder


class Figure(str, Enum):
    """The figures of a report."""

    accuracy = "accuracy"
    breakdown = "breakdown"
    cost = "cost"
    fusion = "fusion"
    latency = "latency"
    pareto = "pareto"
    predictions = "predictions"
    ratios = "ratios"


class ImageFormat(str, Enum):
    """How a figure is saved."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(report)
    app.command()(plot)


def report(
    directory: RunFolder,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to; DIR/report if not given.")] = None,
) -> None:
    """Write the report of a run: one HTML page that opens offline.

    Its tables and figures lie beside it. It may be written while the run goes on; what is missing by then
    is shown as missing. --out names a new folder, an empty one, or one that this command has written.

    \b
    Example:
      skipbench report runs/quick
    """
    from reports import write_report

    print(f"report: {write_report(directory, out)}")


def plot(
    directory: RunFolder,
    kind: Annotated[Figure, typer.Option(help="Which figure.")] = Figure.pareto,
    format: Annotated[ImageFormat, typer.Option(help="How to save it.")] = ImageFormat.png,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; DIR/report/figures if not given.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of which task, where the run has several.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="On which dataset, where the run has several.")
    ] = None,
) -> None:
    """Draw one figure of a run.

    --out names a new file, or one that skipbench has written; no other is written over.

    \b
    Examples:
      skipbench plot runs/quick --kind pareto --task pose
      skipbench plot runs/quick --kind breakdown --task detection --format svg
    """
    from reports import write_plot

    print(f"figure: {write_plot(directory, kind.value, format.value, out, task, dataset)}")
