"""`skipbench list`: what there is to choose from."""

import fnmatch
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import Plugins


class Kind(str, Enum):
    """What can be listed."""

    models = "models"
    fusions = "fusions"
    encoders = "encoders"
    layouts = "layouts"
    datasets = "datasets"
    measurements = "measurements"
    suites = "suites"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_names)


def list_names(
    kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)],
    pattern: Annotated[str, typer.Argument(help="A shell-style pattern, such as 'resnet*'.")] = "*",
    plugin: Plugins = None,
) -> None:
    """List the names there are to choose from.

    \b
    Examples:
      skipbench list models
      skipbench list encoders "convnext*"
      skipbench list fusions --plugin my_fusion.py
    """
    for name in fnmatch.filter(_names(kind, plugin or []), pattern):
        print(name)


def _names(kind: Kind, plugins: list[Path]) -> list[str]:
    if kind is Kind.suites:
        from bench.suite import list_suites

        return list(list_suites())
    if kind is Kind.datasets:
        from bench.data import DATASETS

        return DATASETS.names()
    import archs
    from bench.measure import MEASUREMENTS
    from bench.plugins import load_plugins

    load_plugins(plugins)
    names = {
        Kind.measurements: MEASUREMENTS.names,
        Kind.models: archs.list_models,
        Kind.fusions: archs.list_fusions,
        Kind.encoders: archs.list_encoders,
        Kind.layouts: archs.list_layouts,
    }
    return names[kind]()
