"""Morph: from one network to another by single edits, what each costs and whether it matters; one per morph."""

import pandas as pd
from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames
from skipbench.analysis.morphs import COSTS, FREE, LATENCY, planned, same_fusion, steps
from skipbench.analysis.statistics import MIN_PAIRS
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


def _caption(study: Frames, name: str) -> str:
    return (
        "Each row is one edit of the network above it. Bars: its change in parameters and MACs; latency relative "
        "to the step before, with its 95 % interval over blocks; score as the difference at the same seed, with "
        f"its 95 % t-interval. Free: parameters and MACs change by less than {100 * FREE:g} % of the first "
        "network's, and no difference in latency was found. Matters: p < .05 after Holm's correction for the "
        f"number of edits, with {MIN_PAIRS} seeds or more. What an edit brings may depend on those before it."
    )


def _alt(study: Frames, name: str) -> str:
    table = steps(study, name)
    free = int((table["cost"] == "free").sum())
    return f"From {name} in {count(len(table) - 1, 'edit')}, {free} of them free, with what each changes."


def _walked(study: Frames, name: str) -> pd.DataFrame:
    """Return `steps`. Raises NothingToShow where none has a result."""
    table = steps(study, name)
    if table[list(COSTS)].isna().all(axis=None) and not ("n" in table and table["n"].any()):
        raise NothingToShow("No step of a morph has a result yet.")
    return table


@register_figure(
    "morph",
    title="From one network to another",
    caption=_caption,
    alt=_alt,
    below=lambda study, name: [morph_table(study, name)],
    each=morphs,
    needs=_walked,
)
def morph_figure(study: Frames, name: str) -> Figure:
    """Return the picture of a planned morph."""
    table = _walked(study, name)
    ends = (table["arm"].iloc[0], table["arm"].iloc[-1])
    return morph_picture(table, ends, same_fusion(study, planned(study)[name]), headline(study))


def morph_table(study: Frames, name: str) -> Table:
    """Return a morph's steps with what each changes."""
    table, score = steps(study, name), headline(study)
    columns = [Column("step", "Step", number=True), text("edit", "Edit"), text("arm", "Arm")]
    for key, metric in COSTS.items():
        columns += [value(key, metric), value(f"{key}/change", metric, "Change", signed=True)]
    if LATENCY.key in table:
        ratio = Metric("ratio", "Ratio", digits=3)
        columns += [
            value(LATENCY.key, LATENCY),
            value("latency/ratio", ratio, "Ratio to the step before"),
            text("latency/verdict", "Latency"),
        ]
    if score is not None:
        each = [", ".join(score.show(one, signed=True) for one in changes) for changes in table["each"]]
        table = table.assign(seeds=pd.Series(each))
        columns += [value("score", score), *difference_columns(score)]
        columns += [text("worth", "Score")]
    columns += [text("cost", "Cost"), text("also", "Also differs")]
    caption = f"From {name}: every edit, the network that it leads to, and what changes against the step before."
    return Table(f"morph-{slug(name)}", caption, table, tuple(columns), folded=True)
