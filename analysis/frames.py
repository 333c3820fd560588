"""Records as tidy tables: one row per cell, per measured value, per raw sample."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from itertools import chain
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.metrics import Declared, Metric
from skipbench.bench.records.store import open_run
from skipbench.bench.records.tables import read_table
from skipbench.bench.records.underway import Underway, underway_in
from skipbench.display import shown

MISSING = "not run yet"
DERIVED = (  # computed here from what is measured
    Metric("macs/per_byte", "MACs per byte", counted=True),
    Metric("machine/balance", "MACs per byte"),
)

_IDENTITY = ("kind", "arm", "model", "task", "dataset", "seed", "cell_id")
_LABELS = ("kind", "model", "task", "dataset", "cell_id")  # that a large table holds once each
_IMAGES = "images."  # begins the roles of what is kept per image
_ARM = ("task", "dataset", "arm", "model")


@dataclass(frozen=True)
class Frames:
    """A run as tables; rows are in the order of the suite's plan.

    Every table has the columns kind, arm, model, task, dataset, seed, cell_id, and
    - `cells`: status ("ok", "failed", "missing"), reason, seconds: one row per planned cell;
    - `values`: key, value: one row per number that a finished cell measured;
    - `samples`: order, latency_ms: one row per timed forward pass;
    `factors` has one row per planned arm: task, dataset, arm, model, and a column for every factor, in words.
    Of trainings there are also, read from the run folder when they are asked for,
    - `curves`: images (seen), loss (its mean since the row before), lr, images_per_s;
    - `validations`: images, and a column per score ("val/miou");
    - `images`: tables by name of what the scores of the test split are computed from, "image" by "image".
    """

    suite: Mapping[str, Any]
    records: tuple[RunRecord, ...]
    cells: pd.DataFrame
    factors: pd.DataFrame
    directory: Path | None = None  # the run folder, inside which the records' artifacts lie
    parent: "Frames | None" = None  # the run that a study is a part of
    declared: Declared = field(default_factory=dict)  # what the records of each study may contain
    underway: tuple[Underway, ...] = ()  # trainings that go on, whose curves so far are in `curves`, `validations`

    @property
    def run(self) -> "Frames":
        """The whole run."""
        return self.parent or self

    @property
    def title(self) -> str:
        """What is studied: "segmentation on scenes"; "" for an empty plan."""
        studies = self.cells[["task", "dataset"]].drop_duplicates().itertuples(index=False)
        return ", ".join(f"{task} on {dataset}" for task, dataset in studies)

    @cached_property
    def values(self) -> pd.DataFrame:
        """One row per number that a finished cell measured."""
        measured = [record.values for record in self._finished]
        return self._repeated(list(map(len, measured))).assign(
            key=pd.Series(list(chain.from_iterable(measured)), dtype=str),  # also where there are none
            value=np.fromiter(chain.from_iterable(values.values() for values in measured), float),
        )

    @cached_property
    def measured(self) -> frozenset[str]:
        """The keys that a finished cell has a value of."""
        return frozenset(chain.from_iterable(record.values for record in self._finished))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per timed forward pass of a finished cell."""
        counts = [len(record.samples) for record in self._finished]
        order = chain.from_iterable(map(range, counts))
        numbers = chain.from_iterable(record.samples for record in self._finished)
        return self._repeated(counts).assign(order=np.fromiter(order, int), latency_ms=np.fromiter(numbers, float))

    @cached_property
    def _finished(self) -> list[RunRecord]:
        return [record for record in self.records if record.status == "ok"]

    def _repeated(self, counts: list[int]) -> pd.DataFrame:
        """Return a table with so many rows of each finished record's identity."""
        identities = _table(map(_identity, self._finished)).astype(dict.fromkeys(_LABELS, "category"))
        return identities.loc[np.repeat(np.arange(len(counts)), counts)].reset_index(drop=True)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that the run declares, by key; scores first, the headline score first of all."""
        declared = {metric.key: metric for metrics in self.declared.values() for metric in metrics}
        return declared | {metric.key: metric for metric in DERIVED}

    def metric(self, key: str) -> Metric:
        """Return the declaration of `key`; a value that the run does not declare is shown under its own key."""
        return self.metrics.get(key, Metric(key, key, digits=3))

    @property
    def scores(self) -> list[Metric]:
        """The scores on the test images, the headline first."""
        return [metric for metric in self.metrics.values() if metric.key.startswith("test/")]

    @property
    def arms(self) -> pd.DataFrame:
        """One row per arm: arm, model, and a column for every factor in which arms differ."""
        return self.factors.drop_duplicates("arm")[["arm", "model", *self.varied]].reset_index(drop=True)

    @property
    def runs(self) -> pd.DataFrame:
        """One row per finished training, with a column for every measured value."""
        return self.wide("train")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Some rows per finished training, evenly spread over its steps. Raises StoreError."""
        return self._kept("curve", ("images", "loss", "lr", "images_per_s"))

    @cached_property
    def validations(self) -> pd.DataFrame:
        """One row per validation of a finished training. Raises StoreError."""
        return self._kept("validations", ("images",))

    @cached_property
    def images(self) -> dict[str, pd.DataFrame]:
        """What scorers keep per test image, by the table's name. Raises StoreError."""
        roles = dict.fromkeys(role for record in self.records for role in record.artifacts)
        return {role.removeprefix(_IMAGES): self._kept(role) for role in roles if role.startswith(_IMAGES)}

    def _kept(self, role: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """Return the tables that records keep in a role as one, with the identity's columns."""
        tables = [
            read_table(self.directory, record.artifacts[role]).to_pandas().assign(**_identity(record))
            for record in self.records
            if self.directory and role in record.artifacts
        ]
        tables += [
            pd.DataFrame(training.tables[role]).assign(**_identity(training.cell))
            for training in self.underway
            if len(training.tables.get(role, {}).get("images", ()))
        ]
        joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*_IDENTITY, *columns])
        own = [name for name in joined.columns if name not in _IDENTITY]
        return joined[[*_IDENTITY, *own]].astype({"seed": "Int64"})

    @property
    def varied(self) -> list[str]:
        """The factors in which arms differ: those of the network, then settings of measurements ("recipe.lr")."""
        return [name for name in self.factors.columns[4:] if self.factors[name].nunique() > 1]

    def of_arms(self, arms: Collection[str]) -> "Frames":
        """Return the run as if it had only these arms; studies without any of them are gone."""

        def keep(table: pd.DataFrame) -> pd.DataFrame:
            return table[table["arm"].isin(arms)].reset_index(drop=True)

        return replace(
            self,
            records=tuple(record for record in self.records if record.arm in arms),
            cells=keep(self.cells),
            factors=keep(self.factors),
            underway=tuple(each for each in self.underway if each.cell.arm in arms),
        )

    def finished(self, kind: str) -> list[RunRecord]:
        """Return the records of one kind that did not fail."""
        return list(self._by_kind.get(kind, ()))

    @cached_property
    def _by_kind(self) -> dict[str, list[RunRecord]]:
        kinds = dict.fromkeys(record.kind for record in self._finished)
        return {kind: [record for record in self._finished if record.kind == kind] for kind in kinds}

    def wide(self, kind: str) -> pd.DataFrame:
        """Return one row per finished cell of `kind`, with a column per measured key."""
        return _wide(self, kind)

    def studies(self) -> list["Frames"]:
        """Return one `Frames` per task and dataset; scores are only ever compared within one."""
        return list(self._studies)

    @cached_property
    def _studies(self) -> list["Frames"]:
        keys = self.cells[["task", "dataset"]].drop_duplicates().itertuples(index=False)
        return [self._study(str(task), str(dataset)) for task, dataset in keys]

    def _study(self, task: str, dataset: str) -> "Frames":
        def keep(table: pd.DataFrame) -> pd.DataFrame:
            return table[(table.task == task) & (table.dataset == dataset)].reset_index(drop=True)

        records = tuple(record for record in self.records if (record.task, record.dataset) == (task, dataset))
        return replace(
            self,
            records=records,
            cells=keep(self.cells),
            factors=keep(self.factors),
            parent=self.run,
            declared={(task, dataset): self.declared.get((task, dataset), ())},
            underway=tuple(
                each for each in self.underway if (each.cell.task, each.cell.dataset) == (task, dataset)
            ),
        )


Options = ParamSpec("Options")
Fact = TypeVar("Fact")


def once(fact: Callable[Concatenate[Frames, Options], Fact]) -> Callable[Concatenate[Frames, Options], Fact]:
    """Return `fact` so that it is computed once per study and options; a table is returned as a copy."""

    @wraps(fact)
    def remembered(study: Frames, /, *args: Options.args, **kwargs: Options.kwargs) -> Fact:
        facts = study.__dict__.setdefault("_facts", {})
        key = (fact, args, *kwargs.items())
        if key not in facts:
            facts[key] = fact(study, *args, **kwargs)
        known: Fact = facts[key]
        return known.copy() if isinstance(known, pd.DataFrame) else known

    return remembered


@once
def _wide(study: Frames, kind: str) -> pd.DataFrame:
    records = study.finished(kind)
    columns = {name: [getattr(record, name) for record in records] for name in _IDENTITY}
    values = [record.values for record in records]
    for key in dict.fromkeys(chain.from_iterable(values)):
        columns[key] = [each.get(key, math.nan) for each in values]
    return pd.DataFrame(columns)


def from_records(
    cells: Iterable[Cell],
    records: Iterable[RunRecord],
    suite: Mapping[str, Any] | None = None,
    directory: Path | None = None,
    unreadable: Mapping[str, str] | None = None,
    declared: Declared | None = None,
) -> Frames:
    """Return the tables of a plan and of its records; a cell without a record is missing.

    `unreadable` says, by cell id, why a record that exists cannot be used.
    """
    planned = {cell.cell_id: cell for cell in cells}
    outcomes = {record.cell_id: record for record in records}
    ordered = tuple(outcomes[cell_id] for cell_id in planned if cell_id in outcomes)
    return Frames(
        suite=suite or {},
        records=ordered,
        directory=directory,
        declared=declared or {},
        cells=_table(
            (
                {**_identity(cell), **_outcome(outcomes.get(cell_id), (unreadable or {}).get(cell_id))}
                for cell_id, cell in planned.items()
            ),
            ("status", "reason", "seconds"),
        ),
        factors=_factors(planned.values()),
    )


def load(run_dir: Path, task: str | None = None, dataset: str | None = None, underway: bool = False) -> Frames:
    """Return the tables of the run folder `run_dir`. Raises bench.errors.StoreError where it is none.

    Only records of the `task` and on the `dataset` are read, where these are given: others seem not to have run.
    With `underway` there are also the curves of trainings that go on, as far as their states were kept.
    """
    run = open_run(Path(run_dir))
    if task is None and dataset is None:
        found = run.outcomes()
    else:
        cells = run.cells()
        wanted = [cell for cell in cells if task in (None, cell.task) and dataset in (None, cell.dataset)]
        found = replace(run.find(wanted), cells=cells)
    frames = from_records(found.cells, found.records, run.suite, run.directory, found.unreadable, run.metrics)
    return replace(frames, underway=tuple(underway_in(run.directory, found.missing))) if underway else frames


def _identity(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in _IDENTITY}


def _factors(cells: Iterable[Cell]) -> pd.DataFrame:
    arms = {(cell.task, cell.dataset, cell.arm): cell for cell in cells}
    rows = (
        {
            **dict(zip(_ARM, (*key, cell.model), strict=True)),
            **{name: shown(value) for name, value in cell.factors.items()},
        }
        for key, cell in arms.items()
    )
    return pd.DataFrame(list(rows), columns=None if arms else list(_ARM))


def _outcome(record: RunRecord | None, unreadable: str | None) -> dict[str, Any]:
    if record is None:
        reason = MISSING if unreadable is None else f"its record cannot be read: {unreadable}"
        return {"status": "missing", "reason": reason, "seconds": None}
    return {"status": record.status, "reason": record.reason, "seconds": record.seconds}


def _table(rows: Iterable[dict[str, Any]], columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return `rows` with the identity's columns and `columns`, all there even where no row is."""
    table = pd.DataFrame(list(rows), columns=[*_IDENTITY, *columns])
    return table.astype({"seed": "Int64"})
