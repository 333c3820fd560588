"""What a measurement must offer so that suite, grid, runner and store need to know none by name."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from skipbench.archs import ArchSpec
from skipbench.archs.encoders import normalisation
from skipbench.bench.advance import Advance
from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.data import DATASETS, Data, DataInfo
from skipbench.bench.errors import BenchError
from skipbench.bench.plugins import parts_of_spec, plugin_source
from skipbench.bench.records import Cell, Outcome, content_hash
from skipbench.bench.records.metrics import Metric, Split
from skipbench.bench.tasks import Task, plugged_metrics
from skipbench.bench.validation import determining, parse
from skipbench.registry import Registry


class Options(BaseModel):
    """A measurement's own settings, a section of the suite; one without any takes this class as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Arm:
    """One of the things compared: a resolved spec, how it is measured, and what people call it."""

    name: str
    model: str
    spec: ArchSpec
    options: dict[str, BaseModel]  # of each measurement, by name, and of the task, under "task"
    own: dict[str, dict[str, Any]]  # what of them is not the study's, by section
    varied: dict[str, Any]  # of all options, those in which the study's arms differ: {"recipe.lr": 0.002}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything about the arm that determines a result, whatever is measured."""
        own = {"own": self.own} if self.own else {}
        parts = plugin_source(parts_of_spec(self.spec))
        return {"spec": self.spec.identity, "plugin_source": parts, **own, **self._weights}

    @property
    def _weights(self) -> dict[str, Any]:
        """What a file of weights holds, and how images are normalised where that is not as usual."""
        found: dict[str, Any] = {}
        if self.spec.encoder_weights:
            found["encoder_weights"] = hashlib.sha256(Path(self.spec.encoder_weights).read_bytes()).hexdigest()
        if (own := normalisation(self.spec)) != normalisation(self.spec.fresh):
            found["normalisation"] = own
        return found


@dataclass(frozen=True)
class StudyPlan:
    """One task on one dataset, made concrete."""

    resolved: dict[str, Any]  # the study's part of the suite: nothing is left to a default
    data: Data
    task: Task
    options: dict[str, BaseModel]  # of each measurement, by name, and of the task, under "task"
    arms: list[Arm]
    notes: list[str] = field(default_factory=list)  # on how the arms were chosen

    @property
    def name(self) -> tuple[str, str]:
        """The task and the dataset."""
        return self.task.name, self.data.info.name

    @property
    def seeds(self) -> list[int]:
        """Those with which whatever draws at random is repeated."""
        return list(self.resolved["seeds"])

    @property
    def metrics(self) -> list[Metric]:
        """What the study's records can hold: the task's scores of all splits, and all else that is measured."""
        splits: list[Split] = ["test", "val"]
        if any(arm.spec.refines for arm in self.arms):
            splits.append("halfway")
        return [*(score.on(split) for split in splits for score in self.task.scores), *measured_metrics()]

    def task_of(self, arm: Arm, info: DataInfo | None = None) -> Task:
        """Return the task as an arm learns it, whose loss may have options of its own; on a fold if so asked."""
        options, info = arm.options["task"], info or self.data.info
        usual = options == self.task.options and info is self.task.info
        return self.task if usual else type(self.task)(info, options)

    @property
    def parts(self) -> list[object]:
        """What is registered that makes the samples and their scores, plugged-in metrics aside."""
        dataset = DATASETS[self.resolved["data"]["name"]]
        return [type(self.task), *self.task.scorers, dataset, *map(type, self.data.info.annotations)]

    @cached_property
    def arms_identity(self) -> str:
        """The content hash of all arms together."""
        return content_hash([arm.identity for arm in self.arms])


@dataclass(frozen=True)
class Forecast:
    """What can be told of an arm's cell before it runs: the seconds on this machine, and values known already."""

    seconds: float
    values: dict[str, float] = field(default_factory=dict)


SomeOptions = TypeVar("SomeOptions", bound=BaseModel)


class Measurement(Generic[SomeOptions]):
    """One thing that is measured of the arms of a study; a registered subclass is all there is to a new one.

    An arm has one cell, or one per seed. What determines its result is hashed into the cell's identity: the arm,
    all options, and what the flags below say.
    """

    name: ClassVar[str]  # as registered: the kind of its cells
    section: ClassVar[str] = ""  # of a suite, where its options stand; its name if not said otherwise
    Options: ClassVar[type[BaseModel]] = Options
    metrics: ClassVar[tuple[Metric, ...]]  # the values that it leaves, but for a task's scores
    seeded: ClassVar[bool] = False  # whether it draws at random, and is repeated with each of the study's seeds
    on_data: ClassVar[bool] = False  # whether the data determine the result, too
    in_turns: ClassVar[bool] = False  # whether all arms of a study are one session, of which each is a result
    per_arm: ClassVar[bool] = False  # whether an arm may have options of its own, under `section` in its entry
    timed: ClassVar[bool] = True  # whether its results are of this one system, not of all with such a processor
    weight: ClassVar[float] = 0.0  # of a cell in the time that a run has left, where a training has 1

    def __init__(self, study: StudyPlan) -> None:
        self.study = study
        self.options = cast(SomeOptions, study.options[self.name])

    @classmethod
    def prepare(cls) -> Any:
        """Return what all cells of a run share; called once, before the first of them, while nothing else runs."""

    @cached_property
    def prepared(self) -> Any:
        """What `prepare` has returned."""
        return self.prepare()

    @classmethod
    def read(cls, sections: Mapping[str, Any], task: Task, own: Mapping[str, Any]) -> SomeOptions:
        """Return the options that a study's `sections` give, or those of an arm that has some of its `own`.

        Nothing is left to the data or the machine to decide. Raises SuiteError.
        """
        place = f"an arm's {cls.section}" if own else cls.section
        return cast(SomeOptions, parse(cls.Options, {**sections.get(cls.section, {}), **own}, place))

    def cells(self, seeds: Sequence[int]) -> Iterator[Cell]:
        """Yield the study's cells, at the first seed all arms, at the second all ..."""
        shared = self._shared_by_cells()
        for seed in seeds if self.seeded else [None]:
            for arm in self.study.arms:
                yield self._cell(arm, seed, shared)

    def _shared_by_cells(self) -> dict[str, Any]:
        """Return what determines the results of all cells alike; the files of plug-ins are read for it."""
        study, task = self.study, self.study.task
        shared: dict[str, Any] = {"study": list(study.name), "measurement_source": plugin_source([type(self)])}
        if self.on_data:
            shared["task"] = determining(task.options)
            shared["data"] = study.data.info.fingerprint
            shared["metrics"] = {name: plugin_source([part]) for name, part in plugged_metrics(task.name).items()}
            if (source := plugin_source(study.parts)) is not None:
                shared["study_source"] = source
        if self.in_turns:
            shared["session"] = study.arms_identity
        return shared

    def _cell(self, arm: Arm, seed: int | None, shared: Mapping[str, Any]) -> Cell:
        task, dataset = self.study.name
        determines = {**arm.identity, **shared, "options": self.identity_of(self.options_of(arm))}
        if self.seeded:
            determines["seed"] = seed
        return Cell(
            kind=self.name,
            arm=arm.name,
            model=arm.model,
            task=task,
            dataset=dataset,
            seed=seed,
            spec=arm.spec.to_dict(),
            varied=arm.varied,
            determines=determines,
        )

    def options_of(self, arm: Arm) -> SomeOptions:
        """Return the options by which an arm is measured."""
        return cast(SomeOptions, arm.options[self.name])

    def identity_of(self, options: SomeOptions) -> dict[str, Any]:
        """Return what of the options determines a result."""
        return determining(options)

    def forecast(self, arm: Arm) -> Forecast:
        """Try the arm for a moment, writing nothing. Where nothing is known, a cell takes no time to speak of."""
        return Forecast(0.0)

    def rehearse(self, arm: Arm) -> None:
        """Try an arm for a moment as its session does: asked where a session of several has died of one."""

    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Outcome:
        """Return what is measured of an arm, telling `advance` how far it is; what it raises fails the cell."""
        raise BenchError(f"the measurement '{self.name}' has neither a `measure` nor a `session`.")

    def session(
        self, cells: Sequence[Cell], lacking: Set[str], advance: Advance
    ) -> Mapping[str, Outcome | Failure]:
        """Return the outcomes of `cells`, which are measured together, by cell_id.

        `lacking` are the ids of those without a result. The others may be left out: their results stand.
        """
        arms = {arm.name: arm for arm in self.study.arms}
        return {cell.cell_id: attempt(partial(self.measure, arms[cell.arm], cell.seed, advance)) for cell in cells}


MEASUREMENTS: Registry[type[Measurement[Any]]] = Registry("measurement", Measurement, BenchError)
SomeMeasurement = TypeVar("SomeMeasurement", bound=type[Measurement[Any]])


def register_measurement(name: str) -> Callable[[SomeMeasurement], SomeMeasurement]:
    """Return the decorator that registers a Measurement under `name`. Raises BenchError where it is taken."""

    def file(measurement: SomeMeasurement) -> SomeMeasurement:
        MEASUREMENTS.register(name)(measurement)
        measurement.name, measurement.section = name, measurement.section or name
        return measurement

    return file


def measurements() -> list[type[Measurement[Any]]]:
    """Return all that is measured in a suite, what takes least first."""
    return sorted((MEASUREMENTS[name] for name in MEASUREMENTS.names()), key=lambda measurement: measurement.weight)


def measured_metrics() -> tuple[Metric, ...]:
    """Return the declarations of all values that measurements leave, but for a task's scores."""
    return tuple(metric for measurement in measurements() for metric in measurement.metrics)
