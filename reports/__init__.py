"""Facts as pictures and pages: one HTML report of a run, a single figure, a file of results."""

from reports.page import write_report
from reports.plot import write_plot
from reports.results import write_results

__all__ = ["write_plot", "write_report", "write_results"]
