"""Latency: every timed forward pass, the median and its bootstrap interval."""

from math import nan

from matplotlib.figure import Figure

from analysis.frames import Frames
from analysis.metrics import metric
from analysis.summaries import latency
from reports.errors import ReportError
from reports.figures.forest import Row, forest
from reports.style import arm_looks

NAMES = ("one timed forward pass", "median", "95 % bootstrap interval")


def latency_figure(study: Frames) -> Figure:
    """Return the raw samples of each arm with median and interval, as measured in interleaved rounds."""
    table, looks = latency(study), arm_looks(study)
    if table.empty:
        raise ReportError("there is no latency to show: no latency cell of this run folder has a result.")
    median = metric("latency_ms/median")
    samples = study.samples.groupby("arm")["latency_ms"].agg(list)
    rows = []
    for arm in table.to_dict("records"):
        center, low, high = (arm.get(f"latency_ms/{name}", nan) for name in ("median", "low", "high"))
        text = f"{median.show(center)} [{median.show(low)}, {median.show(high)}]"
        rows.append(Row(arm["arm"], looks[arm["arm"]], samples.get(arm["arm"], []), center, low, high, text))
    return forest(rows, "Latency of one forward pass", "latency (ms)", NAMES)
