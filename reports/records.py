"""The records behind the numbers of a page: a row for each, or for each arm of a large run, and their addresses."""

from collections.abc import Iterable

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.reports.blocks import RECORDS, Block, Entry, Records
from skipbench.reports.charts import arm_numbers

ROWS = 1000  # of more records there is a row for each arm; the file beside the page has them all
HEADINGS = ("Cell", "Arm", "Study", "Measurement", "Seed", "Status", "Ended", "Seconds")


def address(study: int, arm: int) -> str:
    """Return the address of an arm's first record in the study with that number."""
    return f"records-{study}-{arm}"


def record_list(run: Frames) -> Iterable[Block]:
    """The cells of the run's plan, and what became of each."""
    ended = {record.cell_id: record.created_at[:10] for record in run.records}
    cells = run.cells.assign(
        study=run.cells["task"] + " on " + run.cells["dataset"],
        ended=[ended.get(cell_id, "–") for cell_id in run.cells["cell_id"]],
    )
    named = ["cell_id", "arm", "study", "kind", "seed", "status", "ended", "seconds", "reason"]
    listed = cells.assign(cells=1) if len(cells) <= ROWS else _by_arm(cells)
    numbers, places = arm_numbers(run), {study.title: place for place, study in enumerate(run.studies())}
    firsts, entries = set[str](), []
    for row in listed.to_dict("records"):
        first = address(places[row["study"]], numbers[row["arm"]])
        ident = first if first not in firsts else f"record-{row['cell_id']}"
        firsts.add(first)
        seed = "–" if pd.isna(row["seed"]) else str(row["seed"])
        seconds = "–" if pd.isna(row["seconds"]) else f"{row['seconds']:.1f}"
        cell = row["cell_id"] if row["cells"] == 1 else f"{row['cells']:,} cells, from {row['cell_id']}"
        shown = (cell, row["arm"], row["study"], row["kind"], seed, row["status"], row["ended"], seconds)
        entries.append(Entry(ident, numbers[row["arm"]], tuple(map(str, shown))))
    how = "by cell of the plan" if len(cells) <= ROWS else "counted by arm"
    file = f"tables/{RECORDS} beside this page names each"
    caption = f"The {len(cells):,} records behind the numbers, {how}; {file}."
    return [Records(caption, HEADINGS, entries, cells[named])]


def _by_arm(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each arm, kind of measurement and status, with the number of its cells in place of one."""
    keys = ["study", "arm", "kind", "status"]
    table = cells.groupby(keys, sort=False).agg(
        cell_id=("cell_id", "first"),
        cells=("cell_id", "size"),
        seed=("seed", lambda seeds: seeds.nunique() or None),
        ended=("ended", "max"),
        seconds=("seconds", "sum"),
    )
    return table.reset_index()
