"""The tables of scores by class, by size and by occlusion, and of all studies at a glance."""

from typing import Any

import pandas as pd

from analysis.breakdowns import breakdown, definition, gap_effects, gaps, groups
from analysis.frames import Frames
from analysis.overview import overview
from analysis.summaries import headline
from bench.metrics import Breakdown, Metric
from reports.study_tables import ARM, each_seed
from reports.tables import Column, Table, value


def class_table(study: Frames, score: Metric, by: Breakdown) -> Table:
    """Return the mean over seeds of a score for each class or joint, one column each."""
    table, keys = breakdown(study, by), [f"{by.prefix}{group}" for group in groups(study, by)]
    means = table.assign(key=by.prefix + table["group"]).pivot(index="arm", columns="key", values="mean")
    frame = means.reindex(index=table["arm"].unique(), columns=keys).reset_index()
    columns = (value(key, score, key.removeprefix(by.prefix)) for key in keys)
    return Table(_name(score, by), f"{score.title} per {by.name}, mean over seeds.", frame, (ARM, *columns))


def breakdown_table(study: Frames, score: Metric, by: Breakdown) -> Table:
    """Return the mean and the t-interval over seeds of a score for each size, or each visibility, per arm."""
    frame, columns = _wide(breakdown(study, by)), [ARM]
    for group in groups(study, by):
        frame[f"{group} interval"] = _intervals(frame, group, score)
        columns += [
            value(f"{group} mean", score, f"{group} ({score.unit})"),
            Column(f"{group} interval", "95 %", number=True),
        ]
    caption = f"{score.title} by {by.name}: mean over seeds and its 95 % t-interval. {definition(study, by)}"
    return Table(_name(score, by), caption, frame, tuple(columns))


def gap_table(study: Frames, score: Metric, by: Breakdown) -> Table:
    """Return the difference between the two groups of `by`, paired by seed, per arm."""
    frame = gap_effects(study, by)
    frame["seeds"] = each_seed(frame["arm"], gaps(study, by), "difference", score, signed=True)
    unit = "points" if score.unit == "%" else score.unit
    columns = (
        ARM,
        Column("n", "Seeds", number=True),
        value("mean", score, f"Mean ({unit})", signed=True),
        value("low", score, "95 % low", signed=True),
        value("high", score, "95 % high", signed=True),
        Column("seeds", "Each seed", number=True),
    )
    first, second = by.groups
    caption = f"{score.label}, {first} less {second}, paired by seed."
    return Table(f"{_name(score, by)}-gap", caption, frame, columns)


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
        "Every arm in every study: mean of its headline score ± half of the 95 % t-interval over seeds (none for "
        "one seed). Ranks are those of the means alone; where intervals overlap, the order is open."
    )
    return Table("overview", caption, frame, tuple(columns))


def _plus_minus(row: dict[Any, Any], score: Metric) -> str:
    """Return "71.2 ± 1.1"; without an interval the mean alone."""
    half = (row["high"] - row["low"]) / 2
    return score.show(row["mean"]) if pd.isna(half) else f"{score.show(row['mean'])} ± {score.show(half)}"


def _name(score: Metric, by: Breakdown) -> str:
    return f"{score.key.removeprefix('test/')}-by-{by.name.replace(' ', '-')}"


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm with the columns "<group> n", "<group> mean", "<group> low" and "<group> high"."""
    wide = table.pivot(index="arm", columns="group", values=["n", "mean", "low", "high"])
    wide.columns = wide.columns.map(lambda pair: f"{pair[1]} {pair[0]}")
    return wide.reindex(table["arm"].unique()).reset_index()


def _intervals(frame: pd.DataFrame, group: str, score: Metric) -> list[str]:
    ends = frame[[f"{group} low", f"{group} high"]].itertuples(index=False, name=None)
    return [f"{score.show(low)} to {score.show(high)}" if pd.notna(low) else "–" for low, high in ends]
