"""Facts as pictures and pages: one HTML report of a run, its tables and figures, or a single figure."""

from reports.page import write_report
from reports.plot import write_plot

__all__ = ["write_plot", "write_report"]
