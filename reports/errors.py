"""The errors that a report or a figure raises on purpose."""

from skipbench.bench.errors import BenchError


class ReportError(BenchError):
    """A figure that is unknown, has no facts to show, or cannot be written."""


class NothingToShow(ReportError):  # noqa: N818 - nothing went wrong
    """A study lacks the facts that a figure or a table shows; its text is a sentence that says which."""


class BrokenFigureError(ReportError):
    """A plugged-in figure that raises an unexpected error; its text names the figure, its file and the error."""
