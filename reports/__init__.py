"""Facts as pictures and pages: one HTML report of a run, a single figure, a file of results.

Its functions are imported when they are first used: the names of figures need neither pandas nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipbench.reports.export import write_tables
    from skipbench.reports.page import write_report
    from skipbench.reports.paper import Paper
    from skipbench.reports.plot import write_plot, write_plots
    from skipbench.reports.results import write_results

__all__ = ["Paper", "write_plot", "write_plots", "write_report", "write_results", "write_tables"]
_HOMES = {
    "Paper": "paper",
    "write_plot": "plot",
    "write_plots": "plot",
    "write_report": "page",
    "write_results": "results",
    "write_tables": "export",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
