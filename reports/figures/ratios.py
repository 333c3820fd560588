"""Ratios: latencies relative to that of a reference arm, with the band in which arms count as equal."""

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.latency import margin, ratios
from skipbench.analysis.summaries import why_empty
from skipbench.analysis.text import count, listing
from skipbench.bench.records.metrics import Metric
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.forest import Row, forest
from skipbench.reports.style import INK, MUTED, arm_looks, fitted
from skipbench.reports.tables import ARM, Column, Table, p_value, text, value

NAMES = ("one block", "geometric mean", "95 % interval")


def _alt(study: Frames) -> str:
    compared = ratios(study)
    return f"Latency of {count(len(compared) - 1, 'arm')} relative to that of {compared.reference.iloc[0]}."


@register_figure(
    "ratios",
    title="Latency relative to the reference",
    caption="Ratio in each block, geometric mean and 95 % interval; arms within the band count as equal.",
    alt=_alt,
    below=lambda study: [ratio_table(study)],
)
def ratios_figure(study: Frames) -> Figure:
    """Return each arm's latency over the reference's in every block, with mean, interval and margin."""
    table, looks = ratios(study), arm_looks(study)
    if len(table) < 2:
        none = "There are no latencies to compare: no two arms were timed in one session."
        raise NothingToShow(why_empty(study, "latency") or none)
    reference, width = table.reference.iloc[0], 1 + margin(study)
    rows = [
        Row(
            arm.arm,
            looks[arm.arm],
            arm.each,
            arm.ratio,
            arm.low,
            arm.high,
            f"{arm.ratio:.3f} [{arm.low:.3f}, {arm.high:.3f}] {arm.verdict}",
        )
        for arm in table[table.arm != reference].itertuples()
    ]
    figure = forest(rows, "Latency relative to the reference", f"ratio to {fitted(reference)}", NAMES)
    (axes,) = figure.axes
    axes.axvspan(1 / width, width, color=MUTED, alpha=0.15, zorder=0)
    axes.axvline(1, color=INK, linewidth=1, zorder=0)
    return figure


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
