"""`skipbench diff`: in what two networks differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from skipbench.bench.cli.ends import Assignments, Classes, Name, RunOption, ends_of
from skipbench.bench.cli.options import DatasetName, Encoder, FormatOption, Plugins, TaskName
from skipbench.bench.cli.output import Format, print_rows
from skipbench.display import shown


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(diff)


def diff(
    a: Name,
    b: Name,
    assignments: Assignments = None,
    encoder: Encoder = None,
    classes: Classes = None,
    run: RunOption = None,
    task: TaskName = None,
    dataset: DatasetName = None,
    plugin: Plugins = None,
    format: FormatOption = Format.table,
) -> None:
    """Show the factors in which two networks differ, and whether they differ in what they compute.

    \b
    Examples:
      skipbench diff hourglass fpn
      skipbench diff unet.paper unet.milesial
      skipbench diff unet "unet / fusion=add" --run runs/quick --task segmentation
    """
    from skipbench.archs import FACTORS, difference, same_network

    ends = ends_of((a, b), assignments or [], encoder, classes, (run, task, dataset), plugin or [])
    rows = [
        {"factor": factor, "a": before, "b": after, "what it is": FACTORS[factor].what}
        for factor, before, after in difference(*ends.specs)
    ]
    print_rows(format, rows, [{}] * len(rows), list(_diff_lines(rows, ends.names)))
    if format is Format.table:
        same = same_network(*ends.specs)
        names, differing = " and ".join(ends.names), f"{len(rows)} of {len(FACTORS)} factors differ"
        verdict = "compute the same and begin alike" if same else "are two networks"
        print(f"{names} {verdict}; {differing if rows else 'no factor differs'}.")


def _diff_lines(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> Iterator[dict[str, str]]:
    first, second = names if names[0] != names[1] else (f"{names[0]} (a)", f"{names[1]} (b)")
    for row in rows:
        yield {
            "factor": row["factor"],
            first: shown(row["a"]),
            second: shown(row["b"]),
            "what it is": row["what it is"],
        }
