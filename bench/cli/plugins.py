"""Every registry there is, and plug-ins that add to them: only the command line knows all rooms."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipbench.bench.plugins import Parts
    from skipbench.registry import Registry


def registries() -> "dict[str, Registry[Any]]":
    """Return all registries by what `skipbench list` calls what they hold: "fusions", "tasks", "figures" ..."""
    from skipbench.archs import REGISTRIES
    from skipbench.bench.data import ANNOTATIONS, DATASETS
    from skipbench.bench.measure import MEASUREMENTS
    from skipbench.bench.predictions import PREDICTIONS
    from skipbench.bench.tasks import METRICS, TASKS
    from skipbench.reports.figures import FIGURES

    own = (DATASETS, ANNOTATIONS, TASKS, METRICS, PREDICTIONS, MEASUREMENTS, FIGURES)
    return {**REGISTRIES, **{registry.plural: registry for registry in own}}


def load(plugins: Sequence[Path] | None) -> "Parts":
    """Load installed plug-ins and those at the paths given, and return what these register. Raises PluginError."""
    from skipbench.bench.plugins import load_plugins

    return load_plugins(plugins or (), registries().values() if plugins else ())
