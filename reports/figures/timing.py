"""Latency: every timed forward pass, and the ratios to a reference arm with the band in which arms are equal."""

from math import nan
from typing import Any

from matplotlib.figure import Figure

from analysis.frames import Frames
from analysis.latency import margin, ratios
from analysis.summaries import latency
from reports.errors import ReportError
from reports.figures.forest import Row, forest
from reports.style import INK, MUTED, arm_looks, fitted

NAMES = ("one timed forward pass", "median", "95 % interval")
RATIOS = ("one block", "geometric mean", "95 % interval")


def latency_figure(study: Frames) -> Figure:
    """Return the raw samples of each arm with median and interval, as measured in interleaved rounds."""
    table, looks = latency(study), arm_looks(study)
    if table.empty:
        raise ReportError("there is no latency to show: no latency cell of this run folder has a result.")
    median = study.metric("latency_ms/median")
    samples = study.samples.groupby("arm")["latency_ms"].agg(list)
    rows = []
    for arm in table.to_dict("records"):
        center, low, high = (arm.get(f"latency_ms/{name}", nan) for name in ("median", "low", "high"))
        text = f"{median.show(center)} [{median.show(low)}, {median.show(high)}]"
        rows.append(Row(arm["arm"], looks[arm["arm"]], samples.get(arm["arm"], []), center, low, high, text))
    return forest(rows, "Latency of one forward pass", "latency (ms)", NAMES)


def ratios_figure(study: Frames) -> Figure:
    """Return each arm's latency over the reference's: every block, mean, interval, and the band of the margin."""
    table, looks = ratios(study), arm_looks(study)
    if len(table) < 2:
        raise ReportError("there is no ratio of latencies to show: no two arms were timed in one session.")
    reference, width = table.reference.iloc[0], 1 + margin(study)
    rows = [
        Row(arm.arm, looks[arm.arm], arm.each, arm.ratio, arm.low, arm.high, _ratio_text(arm))
        for arm in table[table.arm != reference].itertuples()
    ]
    figure = forest(rows, "Latency over that of the reference", f"ratio to {fitted(reference)}", RATIOS)
    (axes,) = figure.axes
    axes.axvspan(1 / width, width, color=MUTED, alpha=0.15, zorder=0)
    axes.axvline(1, color=INK, linewidth=1, zorder=0)
    return figure


def _ratio_text(arm: Any) -> str:
    return f"{arm.ratio:.3f} [{arm.low:.3f}, {arm.high:.3f}] {arm.verdict}"
