"""Every registry there is, and plug-ins that add to them: only the command line knows all rooms."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.plugins import Parts
    from bench.registry import AnyRegistry


def registries() -> "dict[str, AnyRegistry]":
    """Return all registries by what `skipbench list` calls what they hold: "fusions", "tasks", "figures" ..."""
    from archs import REGISTRIES
    from bench.data import ANNOTATIONS, DATASETS
    from bench.measure import MEASUREMENTS
    from bench.predictions import PREDICTIONS
    from bench.tasks import METRICS, TASKS
    from reports.figures import FIGURES

    own = (DATASETS, ANNOTATIONS, TASKS, METRICS, PREDICTIONS, MEASUREMENTS, FIGURES)
    return {**REGISTRIES, **{registry.plural: registry for registry in own}}


def load(plugins: Sequence[Path] | None) -> "Parts":
    """Load installed plug-ins and those at the paths given, and return what these register. Raises PluginError."""
    from bench.plugins import load_plugins

    return load_plugins(plugins or (), registries().values() if plugins else ())
