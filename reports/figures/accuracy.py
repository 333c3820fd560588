"""Accuracy: the headline score of every run, per arm, and the tables of all scores."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from skipbench.analysis.breakdowns import breakdown, groups, reference
from skipbench.analysis.frames import Frames
from skipbench.analysis.summaries import accuracy, headline, scores, why_empty
from skipbench.analysis.text import count
from skipbench.bench.records.metrics import Breakdown, Metric
from skipbench.reports.charts import forest_chart
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.forest import SEEDS, Forest, Row, forests, seeds_row
from skipbench.reports.looks import arm_looks
from skipbench.reports.tables import ARM, Column, Table, each_seed, group_table_name, measured, value


def score_of(study: Frames) -> Metric:
    """Return the study's headline score. Raises NothingToShow where no training run has finished."""
    score = headline(study)
    if score is None:
        raise NothingToShow("There is no accuracy to show: no training run in this run folder has a score.")
    return score


def _alt(study: Frames) -> str:
    score = score_of(study)
    means = accuracy(study, score.key)["mean"].dropna()
    span = f"{score.show(means.min())} to {score.show_unit(means.max())}"
    return f"{score.label} of {count(len(means), 'arm')} per seed, means from {span}."


def _below(study: Frames) -> Iterator[Table | str]:
    score = score_of(study)
    yield accuracy_table(study, score)
    yield from (class_table(study, score, by) for by in score.by if not by.groups and groups(study, by))
    if definition := reference(study):
        yield definition
    yield runs_table(study)


def _scored(study: Frames) -> None:
    if headline(study) is None:
        raise NothingToShow(why_empty(study, "train") or "No finished run has a declared score.")


@register_figure(
    "accuracy",
    title="Accuracy",
    caption="Every run, the mean per arm and its 95 % t-interval over seeds.",
    alt=_alt,
    below=_below,
    chart=lambda study: forest_chart(study, [_panel(study)], SEEDS),
    needs=_scored,
)
def accuracy_figure(study: Frames) -> list[Figure]:
    """Return the score of every run, per arm, with mean and t-interval."""
    _scored(study)
    return forests([_panel(study)], SEEDS)


def _panel(study: Frames) -> Forest:
    score, dataset = score_of(study), study.cells.dataset.iloc[0]
    return Forest(f"{score.label} on {dataset}, test images", score.title, accuracy_rows(study))


def accuracy_rows(study: Frames) -> list[Row]:
    """Return a row for each trained arm. Raises NothingToShow where no training run has finished."""
    score, looks = score_of(study), arm_looks(study)
    runs = scores(study, score.key).groupby("arm")["value"]
    none = pd.Series(dtype=float)
    return [
        seeds_row(row["arm"], looks[row["arm"]], score, runs.get_group(row["arm"]) if row["n"] else none, row)
        for row in accuracy(study, score.key).to_dict("records")
    ]


def accuracy_table(study: Frames, score: Metric) -> Table:
    """Return each arm's headline score with every seed and the t-interval, and the means of other scores."""
    frame = accuracy(study, score.key)
    frame["seeds"] = each_seed(frame["arm"], scores(study, score.key), "value", score)
    others = [other for other in study.scores if other != score and other.key in study.measured]
    for other in others:
        frame[other.key] = accuracy(study, other.key)["mean"]
    columns = (
        ARM,
        Column("n", "Seeds", number=True),
        value("mean", score, f"Mean {score.title}"),
        value("sd", score, "SD"),
        value("low", score, "95 % low"),
        value("high", score, "95 % high"),
        *(value(other.key, other, f"Mean {other.title}") for other in others),
        Column("seeds", f"{score.label}, each seed", number=True),
    )
    caption = f"{score.label} on the test images, one value per run; t-interval over seeds, none for one seed."
    return Table("accuracy", caption, frame, columns)


def class_table(study: Frames, score: Metric, by: Breakdown) -> Table:
    """Return the mean of a score over seeds, with a column for each class or joint."""
    table, keys = breakdown(study, by), [f"{by.prefix}{group}" for group in groups(study, by)]
    means = table.assign(key=by.prefix + table["group"]).pivot(index="arm", columns="key", values="mean")
    frame = means.reindex(index=table["arm"].unique(), columns=keys).reset_index()
    columns = (value(key, score, key.removeprefix(by.prefix)) for key in keys)
    caption = f"{score.title} per {by.name}, mean over seeds."
    return Table(group_table_name(score, by), caption, frame, (ARM, *columns), folded=True)


def runs_table(study: Frames) -> Table:
    """Return every finished training run."""
    frame = study.wide("train")
    seed = Column("seed", "Seed", number=True)
    columns = (ARM, seed, *measured(study, frame, study.metrics))
    return Table("runs", "Every finished training run.", frame, columns, folded=True)
