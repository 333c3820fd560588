"""Morph: from one network to another by single edits, what each costs and whether it matters; one per morph."""

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.morphs import COSTS, FREE, LATENCY, LEAST_PAIRS, planned, steps
from skipbench.analysis.summaries import headline
from skipbench.analysis.text import count
from skipbench.bench.records.metrics import Metric
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure, slug
from skipbench.reports.morph_picture import morph_picture
from skipbench.reports.tables import Column, Table, difference_columns, text, value


def morphs(study: Frames) -> list[str]:
    """Return the names of the study's morphs. Raises NothingToShow without any."""
    if not (names := list(planned(study))):
        raise NothingToShow("The suite names no morph (arms: [{morph: [hourglass, fpn]}]).")
    return names


def metrics(study: Frames) -> dict[str, Metric]:
    """Return what the picture shows, by column."""
    score = headline(study)
    return {key: study.metric(key) for key in (*COSTS, LATENCY)} | ({"score": score} if score else {})


def _caption(study: Frames, name: str) -> str:
    return (
        (
            "Each row is one edit of the network above it. Bars: its change in parameters and MACs; latency as the ratio "
            "to the step before, with its 95 % interval over blocks; score as the difference at the same seed, with the "
            f"95 % t-interval. Free: neither parameters nor MACs change by {FREE:.0%} of the first network's, and no "
            f"difference in latency was found. Matters: p < .05 after Holm's correction over the edits, from "
            f"{LEAST_PAIRS} seeds on. The effect of an edit may depend on the edits before it."
        )
        .replace("%", " %")
        .replace("  %", " %")
    )


def _alt(study: Frames, name: str) -> str:
    table = steps(study, name)
    free = int((table["cost"] == "free").sum())
    return f"{name} in {count(len(table) - 1, 'edit')}, of which {free} are free, with the change that each brings."


@register_figure(
    "morph",
    title="From one network to another",
    caption=_caption,
    alt=_alt,
    below=lambda study, name: [morph_table(study, name)],
    each=morphs,
)
def morph_figure(study: Frames, name: str) -> Figure:
    """Return the picture of a planned morph."""
    table = steps(study, name)
    if table[[key for key in COSTS if key in table]].isna().all().all() and not table.get("n", 0).any():
        raise NothingToShow("No step of a morph has a result yet.")
    ends = (table["arm"].iloc[0], table["arm"].iloc[-1])
    return morph_picture(table, ends, metrics(study))


def morph_table(study: Frames, name: str) -> Table:
    """Return a morph's steps with what each changes."""
    table, shown = steps(study, name), metrics(study)
    columns = [Column("step", "Step", number=True), text("edit", "Edit"), text("arm", "Arm")]
    for key in COSTS:
        columns += [value(key, shown[key]), value(f"{key}/change", shown[key], "Change", signed=True)]
    if LATENCY in table:
        ratio = Metric("ratio", "Ratio", digits=3)
        columns += [
            value(LATENCY, shown[LATENCY]),
            value("latency/ratio", ratio, "Ratio to the step before"),
            text("latency/verdict", "Latency"),
        ]
    if "n" in table and "score" in shown:
        score = shown["score"]
        each = (", ".join(score.show(change, signed=True) for change in changes) for changes in table["each"])
        table = table.assign(seeds=[changes or None for changes in each])
        columns += [value("score", score), *difference_columns(score)]
        columns += [text("worth", "Score")]
    columns += [text("cost", "Cost"), text("also", "Also differs")]
    caption = f"From {name}: every edit, the network that it leads to, and what changes against the step before."
    return Table(f"morph-{slug(name)}", caption, table, tuple(columns), folded=True)
