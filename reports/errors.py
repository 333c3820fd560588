"""The errors that a report or a figure raises on purpose."""

from bench.errors import BenchError


class ReportError(BenchError):
    """A figure that is unknown, has no facts to show, or cannot be written."""
