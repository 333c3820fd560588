"""Latency: every timed forward pass, as measured in interleaved rounds."""

from math import nan

import pandas as pd
from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import latency, why_empty
from skipbench.analysis.text import count, distinct
from skipbench.reports.charts import forest_chart
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.forest import Forest, Row, forests
from skipbench.reports.looks import arm_looks
from skipbench.reports.tables import ARM, Column, Table, measured, text

NAMES = ("one timed forward pass", "median", "95 % interval")
KEYS = tuple(f"latency_ms/{name}" for name in ("median", "low", "high", "p10", "p90"))


def _alt(study: Frames) -> str:
    median, medians = study.metric("latency_ms/median"), study.wide("latency")["latency_ms/median"]
    span = f"{median.show(medians.min())} to {median.show_unit(medians.max())}"
    return f"Latency of {count(len(medians), 'arm')}, medians from {span}."


def _timed(study: Frames) -> None:
    if why := why_empty(study, "latency"):
        raise NothingToShow(why)


@register_figure(
    "latency",
    title="Latency",
    caption="Every timed forward pass, the median and its 95 % interval over blocks of fresh builds.",
    alt=_alt,
    below=lambda study: [latency_table(study)],
    chart=lambda study: forest_chart(study, [_panel(study)], NAMES),
    needs=_timed,
)
def latency_figure(study: Frames) -> list[Figure]:
    """Return the raw samples of each arm with median and interval."""
    _timed(study)
    return forests([_panel(study)], NAMES)


def _panel(study: Frames) -> Forest:
    return Forest("Latency of one forward pass", "latency (ms)", latency_rows(study))


def latency_rows(study: Frames) -> list[Row]:
    """Return a row for each timed arm."""
    median, looks = study.metric("latency_ms/median"), arm_looks(study)
    samples = study.samples.groupby("arm")["latency_ms"].agg(list)
    rows = []
    for arm in latency(study).to_dict("records"):
        center, low, high = (arm.get(f"latency_ms/{name}", nan) for name in ("median", "low", "high"))
        numbers = f"{median.show(center)} [{median.show(low)}, {median.show(high)}]"
        timed = samples.get(arm["arm"], [])
        rows.append(Row(arm["arm"], looks[arm["arm"]], timed, center, low, high, numbers, (arm["arm"],)))
    return rows


def latency_table(study: Frames) -> Table:
    """Return the latency of each arm; options that all arms share are in the caption."""
    frame = latency(study)
    frame["samples"] = [len(record.samples) for record in study.finished("latency")]
    options = distinct(record.settings for record in study.finished("latency"))
    shared = ", ".join(f"{name} {values[0]}" for name, values in options.items() if len(values) == 1)
    varied = [text(f"setting/{name}", name) for name, values in options.items() if len(values) > 1]
    caption = (
        "Latency of one forward pass. Arms were timed in interleaved rounds within blocks, and built afresh for "
        "each block; the 95 % interval of the median is over blocks."
    )
    if shared:
        caption += f" Shared by all arms: {shared}."
    keys = [*KEYS, "throughput/images_per_s"]
    if frame.get("error/to_eager", pd.Series(dtype=float)).any():  # eager float32 has none
        keys.append("error/to_eager")
    samples = Column("samples", "Samples", number=True)
    return Table("latency", caption, frame, (ARM, *measured(study, frame, keys), samples, *varied), folded=True)
