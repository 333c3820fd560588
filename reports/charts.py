"""Charts that a browser draws: the facts of a figure as plain numbers and words, for templates/report.js."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

import numpy as np

from skipbench.analysis.frames import Frames
from skipbench.bench.records.metrics import Metric
from skipbench.display import shortened
from skipbench.reports.forest import DESCRIBED, Forest, Row
from skipbench.reports.looks import FILLS, Look

_SHAPES = {  # of markers in a browser: of those that are full, open and so on, and of the last two fills
    "o": ("circle", "pentagon"),
    "s": ("square", "star-square"),
    "^": ("triangle-up", "star-triangle-up"),
    "D": ("diamond", "star-diamond"),
    "v": ("triangle-down", "star-triangle-down"),
    "P": ("cross", "star"),
    "X": ("x", "bowtie"),
    "h": ("hexagon", "hexagram"),
}
_WAYS = ((0, ""), (0, "-open"), (0, "-dot"), (0, "-open-dot"), (1, ""), (1, "-open"))
SYMBOLS = {
    (marker, fill): f"{shapes[shape]}{way}"
    for marker, shapes in _SHAPES.items()
    for fill, (shape, way) in zip(FILLS, _WAYS, strict=True)
}
SHORT, ABOVE = 40, 64  # letters of a name in a legend, and above a row
VALUES = 60  # of a row, drawn one by one: more are spread over the same range
DIGITS = 5  # that a picture can show


@dataclass(frozen=True)
class Chart:
    """One chart: which function of report.js draws it, and the facts."""

    kind: Literal["forest", "scatter", "lines"]
    facts: dict[str, Any] = field(default_factory=dict)


def arm_numbers(study: Frames) -> dict[str, int]:
    """Return the number of each arm of the run, by which the page switches it off and on everywhere."""
    return {arm: number for number, arm in enumerate(study.run.arms["arm"])}


def appearance(look: Look) -> dict[str, str]:
    """Return an arm's colour and mark, as Plotly calls it."""
    return {"color": look.color, "symbol": SYMBOLS[look.marker, look.fill]}


def forest_chart(study: Frames, panels: Iterable[Forest], names: Sequence[str]) -> Chart:
    """Return the chart of forest plots; `names` label a measurement, the centre and the interval."""
    numbers = arm_numbers(study)
    drawn = [
        {
            "title": panel.title,
            "axis": panel.axis,
            "line": panel.line,
            "band": panel.band,
            "rows": [
                _row(row, numbers, short)
                for row, short in zip(panel.rows, shortened([row.label for row in panel.rows], ABOVE), strict=True)
            ],
        }
        for panel in panels
    ]
    return Chart("forest", {"panels": drawn, "names": list(names)})


def _row(row: Row, numbers: Mapping[str, int], short: str) -> dict[str, Any]:
    return {
        "label": row.label,
        "short": short,
        "text": row.text,
        "arms": [numbers[arm] for arm in row.arms],
        "values": _thinned(row.values),
        "center": row.center,
        "low": row.low,
        "high": row.high,
        "dotted": len(row.values) < DESCRIBED,
        **appearance(row.look),
    }


def _thinned(values: Sequence[float]) -> list[float]:
    if len(values) <= VALUES:
        return list(values)
    spread: list[float] = np.quantile(np.asarray(values, float), np.linspace(0, 1, VALUES)).tolist()
    return spread


def axis(metric: Metric) -> dict[str, Any]:
    """Return what an axis says of a metric, and whether less is better on it."""
    return {"key": metric.key, "title": metric.title, "less": metric.better == "lower", "digits": metric.digits}


def as_script(content: Any) -> str:
    """Return JSON that may stand inside a <script> element: no text in it can end the element or a line.

    Numbers have DIGITS digits, and what is not a number is null.
    """
    dumped = json.dumps(_plain(content), ensure_ascii=True, separators=(",", ":"))
    return dumped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float | np.floating):
        return float(f"{content:.{DIGITS}g}") if isfinite(content) else None
    return content.item() if isinstance(content, np.generic) else content
