"""The figures by name: facts in, a matplotlib Figure out; nothing here touches pyplot's global state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from analysis.frames import Frames
from bench.errors import unknown_name
from bench.files import MARK, whole_file
from reports.errors import ReportError
from reports.figures.breakdown import breakdown_figure
from reports.figures.cost import cost_figure
from reports.figures.predictions import predictions_figure
from reports.figures.scores import accuracy_figure, fusion_figure
from reports.figures.timing import latency_figure, ratios_figure
from reports.figures.tradeoff import pareto_figure
from reports.style import RC

KINDS: dict[str, Callable[[Frames], Figure]] = {
    "accuracy": accuracy_figure,
    "breakdown": breakdown_figure,
    "cost": cost_figure,
    "fusion": fusion_figure,
    "latency": latency_figure,
    "pareto": pareto_figure,
    "predictions": predictions_figure,
    "ratios": ratios_figure,
}
FORMATS = ("pdf", "png", "svg")
_METADATA: dict[str, Any] = {  # no date: the same figure gives the same file
    "svg": {"Date": None, "Creator": MARK},
    "pdf": {"CreationDate": None, "Creator": MARK},
    "png": {"Software": MARK},
}
DPI = 200


def draw(kind: str, study: Frames) -> Figure:
    """Return the figure `kind` of one study. Raises ReportError: unknown kind, or nothing to show."""
    if kind not in KINDS:
        raise ReportError(unknown_name("figure", kind, KINDS))
    with matplotlib.rc_context(RC):
        return KINDS[kind](study)


def save(figure: Figure, path: Path, form: str) -> Path:
    """Write `figure` to `path` in the format `form`, the same bytes for the same figure.

    Raises ReportError for an unknown format or a file that cannot be written.
    """
    if form not in FORMATS:
        raise ReportError(unknown_name("format", form, FORMATS))
    try:
        with whole_file(path) as file, matplotlib.rc_context(RC):
            figure.savefig(file, format=form, dpi=DPI, metadata=_METADATA[form])
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}.") from error
    return path
