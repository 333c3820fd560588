"""`skipbench list`: what there is to choose from."""

import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from skipbench.bench.cli.options import Plugins, load, registries
from skipbench.bench.errors import SuiteError
from skipbench.bench.suites import list_suites
from skipbench.errors import unknown_name


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_names)


def list_names(
    kind: Annotated[
        str,
        typer.Argument(
            help="suites, factors, or a kind of part: models, fusions, encoders, tasks, metrics, figures ...",
            show_default=False,
        ),
    ],
    pattern: Annotated[str, typer.Argument(help="A shell-style pattern, such as 'resnet*'.")] = "*",
    plugin: Plugins = None,
) -> None:
    """List the names there are to choose from; of factors, what is declared of each.

    \b
    Examples:
      skipbench list models
      skipbench list factors "head*"
      skipbench list encoders "convnext*"
      skipbench list metrics "pose/*"
      skipbench list fusions --plugin my_fusion.py
    """
    for line in _lines(kind, pattern, plugin or []):
        print(line)


def _lines(kind: str, pattern: str, plugins: list[Path]) -> list[str]:
    if kind == "suites":
        return fnmatch.filter(list_suites(), pattern)
    load(plugins)
    if kind == "factors":
        from skipbench.archs import FACTORS
        from skipbench.archs.factors import as_table

        return as_table(FACTORS[name] for name in fnmatch.filter(FACTORS, pattern)).splitlines()
    if kind == "metrics":  # a task's own, and what its registry holds: those of tasks that somebody else wrote
        from skipbench.bench.tasks import list_metrics

        return fnmatch.filter(list_metrics(), pattern)
    every = registries()
    if kind not in every:
        raise SuiteError(unknown_name("kind", kind, ["factors", "suites", *every]))
    return every[kind].names(pattern)
