"""Ratios: latencies relative to that of a reference arm, with the band in which arms count as equal."""

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.latency import margin, ratios
from skipbench.analysis.summaries import why_empty
from skipbench.analysis.text import count, listing
from skipbench.bench.records.metrics import Metric
from skipbench.reports.charts import forest_chart
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.forest import Forest, Row, forests
from skipbench.reports.looks import arm_looks
from skipbench.reports.style import fitted
from skipbench.reports.tables import ARM, Column, Table, p_value, text, value

NAMES = ("one block", "geometric mean", "95 % interval")


def _alt(study: Frames) -> str:
    compared = ratios(study)
    return f"Latency of {count(len(compared) - 1, 'arm')} relative to that of {compared.reference.iloc[0]}."


def _compared(study: Frames) -> None:
    if len(ratios(study)) < 2:
        none = "There are no latencies to compare: no two arms were timed in one session."
        raise NothingToShow(why_empty(study, "latency") or none)


@register_figure(
    "ratios",
    title="Latency relative to the reference",
    caption="Ratio in each block, geometric mean and 95 % interval; arms within the band count as equal.",
    alt=_alt,
    below=lambda study: [ratio_table(study)],
    chart=lambda study: forest_chart(study, [_panel(study)], NAMES),
    needs=_compared,
)
def ratios_figure(study: Frames) -> list[Figure]:
    """Return each arm's latency over the reference's in every block, with mean, interval and margin."""
    _compared(study)
    return forests([_panel(study)], NAMES)


def _panel(study: Frames) -> Forest:
    width, axis = 1 + margin(study), f"ratio to {fitted([_reference(study)])[0]}"
    return Forest("Latency relative to the reference", axis, _rows(study), band=(1 / width, width))


def _reference(study: Frames) -> str:
    return str(ratios(study).reference.iloc[0])


def _rows(study: Frames) -> list[Row]:
    """Return a row for each arm but the reference."""
    table, looks = ratios(study), arm_looks(study)
    return [
        Row(
            arm["arm"],
            looks[arm["arm"]],
            arm["each"],
            arm["ratio"],
            arm["low"],
            arm["high"],
            f"{arm['ratio']:.3f} [{arm['low']:.3f}, {arm['high']:.3f}] {arm['verdict']}",
            (arm["arm"], arm["reference"]),
        )
        for arm in table[table.arm != table.reference].to_dict("records")
    ]


def ratio_table(study: Frames) -> Table:
    """Return each arm's latency over that of the reference arm, and the verdict on it."""
    frame = ratios(study)
    ratio = Metric("ratio", "Ratio", better="lower", digits=3)
    columns = (
        ARM,
        value("ratio", ratio),
        value("low", ratio, "95 % low"),
        value("high", ratio, "95 % high"),
        p_value("p", "p"),
        p_value("p_holm", "p, Holm"),
        text("verdict", "Verdict"),
        Column("blocks", "Blocks", number=True),
    )
    share = f"{margin(study):.1%}".replace("%", " %")
    caption = (
        f"Latency relative to {listing(frame.reference.unique())}: geometric mean over blocks with its 95 % "
        f"t-interval; p for a ratio of 1, and after Holm's correction. Equal: the interval is within {share} of 1. "
        f"Faster or slower: the corrected p is below .05 and the ratio itself beyond {share}. Open: neither."
    )
    return Table("latency-ratios", caption, frame, columns)
