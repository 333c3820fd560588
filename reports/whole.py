"""What a page says of a whole run: its arms in all studies at a glance, and how to reproduce it."""

import shlex
from collections.abc import Iterable
from typing import Any

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import headline, overview
from skipbench.analysis.text import distinct
from skipbench.bench.records.metrics import Metric
from skipbench.reports.blocks import Block, Commands, Sentences
from skipbench.reports.errors import NothingToShow
from skipbench.reports.tables import ARM, Column, Table, facts_table

PLUGGED = ("plugin_source", "measurement_source", "study_source", "metrics")  # parts of identities from plug-ins


def at_a_glance(run: Frames) -> Iterable[Block]:
    """Every arm's headline score and rank in every study, where a run has several."""
    table = overview_table(run)
    if len(run.studies()) < 2 or table.frame.empty:
        raise NothingToShow("There are no two studies whose scores could stand side by side.")
    return [table]


def reproduce(frames: Frames) -> Iterable[Block]:
    """The commands that repeat the run, and its suite."""
    machine = distinct(record.environment for record in frames.records)
    folder = str(frames.directory)
    suite, again = shlex.quote(f"{folder}/suite.yaml"), shlex.quote(f"{folder}-again")
    plugged = any(record.determines.get(source) for record in frames.records for source in PLUGGED)
    lines = [
        *(f"git checkout {commit}" for commit in machine.get("commit", [])[:1]),
        f"skipbench run {suite} --out {again}" + (" --plugin YOUR_FILE.py" if plugged else ""),
        f"skipbench report {again}",
    ]
    note = (
        "The run folder holds the resolved suite. The same code, versions and seeds give the same scores on the "
        "same kind of machine; latency and training time vary with the machine and its load."
    )
    suite_table = facts_table("suite", "The resolved suite.", distinct([frames.suite]), folded=True)
    return [Sentences([note]), Commands(lines), suite_table]


def overview_table(run: Frames) -> Table:
    """Return every arm's headline score and its rank in each study, side by side."""
    facts = overview(run)
    scores = {study.title: score for study in run.studies() if (score := headline(study))}
    frame, columns = pd.DataFrame({"arm": facts["arm"].unique()}), [ARM]
    for study, rows in facts.groupby("study", sort=False):
        score = scores[str(study)]
        rows = rows.assign(score=[_plus_minus(row, score) for row in rows.to_dict("records")])
        rows = rows.drop(columns=["study", "key"]).set_index("arm").add_prefix(f"{study}: ")
        frame = frame.merge(rows, on="arm", how="left")
        columns += [
            Column(f"{study}: score", f"{study}: {score.title}", number=True),
            Column(f"{study}: rank", "Rank", lambda rank: f"{rank:.0f}", number=True),
        ]
    caption = (
        "Mean headline score of every arm in every study, ± half the width of its 95 % t-interval over seeds (none "
        "for one seed). Ranks compare the means alone; where intervals overlap, the order is undecided."
    )
    return Table("overview", caption, frame, tuple(columns))


def _plus_minus(row: dict[Any, Any], score: Metric) -> str:
    """Return "71.2 ± 1.1"; without an interval the mean alone."""
    half = (row["high"] - row["low"]) / 2
    return score.show(row["mean"]) if pd.isna(half) else f"{score.show(row['mean'])} ± {score.show(half)}"
