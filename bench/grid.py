"""From a suite to its cells: data opened, every arm's spec resolved, each cell with all that determines it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from archs import resolve_spec
from bench.data import Data, open_data
from bench.errors import SuiteError
from bench.measure import MEASUREMENTS, Arm, Forecast, Measurement, StudyPlan, measurements
from bench.records import Cell
from bench.suite import OWN_KEYS, Study, Suite
from bench.tasks import Task, TaskError, create_task


@dataclass(frozen=True)
class Plan:
    """A suite made concrete; whatever can be known to be wrong with it has been looked at."""

    suite: dict[str, Any]
    studies: list[StudyPlan]
    cells: list[Cell]  # measurement by measurement: all studies' arms at the first seed, all at the second ...
    notes: list[str]  # what was decided for the user

    def study_of(self, cell: Cell) -> StudyPlan:
        """Return the study that a cell belongs to."""
        return next(study for study in self.studies if study.name == (cell.task, cell.dataset))

    def measurement_of(self, cell: Cell) -> Measurement[Any]:
        """Return what measures a cell."""
        return MEASUREMENTS[cell.kind](self.study_of(cell))

    def forecast(self, cell: Cell) -> dict[str, Forecast]:
        """Return what can be told of a cell's arm before it is measured, by measurement; writes nothing."""
        study = self.study_of(cell)
        arm = next(arm for arm in study.arms if arm.name == cell.arm)
        return {measurement.name: measurement(study).forecast(arm) for measurement in measurements()}


def make_plan(suite: Suite, leave_out_unserved: bool = False) -> Plan:
    """Open the suite's data, resolve its arms and expand its grid.

    `leave_out_unserved`: a study whose task the data hold nothing for is left out, and a note says so.
    Raises SuiteError, DataError, TaskError or ArchError with one sentence on the first thing that is wrong.
    """
    opened: dict[str, Data] = {}
    found = [_made_concrete(study, opened, leave_out_unserved) for study in suite.studies]
    studies = [each for each in found if isinstance(each, StudyPlan)]
    left_out = [each for each in found if isinstance(each, str)]
    if not studies:
        raise SuiteError(" ".join(left_out))
    _require_distinct(studies)
    own = suite.model_dump(mode="json", include=set(OWN_KEYS))
    resolved = {**own, "studies": [study.resolved for study in studies]}
    remarks = (f"{arm.name}: {each}" for study in studies for arm in study.arms for each in arm.spec.remarks)
    notes = dict.fromkeys([*(note for study in studies for note in study.data.info.notes), *left_out, *remarks])
    return Plan(resolved, studies, list(_cells(studies, suite.seeds)), list(notes))


def _made_concrete(study: Study, opened: dict[str, Data], may_be_left_out: bool) -> "StudyPlan | str":
    """Return the study made concrete; or why its data cannot serve its task, where it may be left out.

    `opened` holds the data that other studies have opened. Raises as `make_plan` does.
    """
    key = study.data.model_dump_json()
    if key not in opened:
        opened[key] = open_data(study.data.name, root=study.data.root, **study.data.options)
    data = opened[key]
    try:
        task = create_task(study.task, data.info, study.task_options)
    except TaskError as error:
        if not may_be_left_out:
            raise
        return f"The study of {study.task} is left out: {error}"
    options = _options(study, task, {})
    resolved = study.model_dump(mode="json") | {
        measurement.section: options[measurement.name].model_dump(mode="json") for measurement in measurements()
    }
    return StudyPlan(resolved, data, task, options, expand_arms(study, task))


def _options(study: Study, task: Task, own: Mapping[str, dict[str, Any]]) -> dict[str, BaseModel]:
    """Return each measurement's options for a study, or for those of its arms that have some of their `own`."""
    return {
        measurement.name: measurement.read(study.sections, task, own.get(measurement.section, {}))
        for measurement in measurements()
    }


def _require_distinct(studies: list[StudyPlan]) -> None:
    names = [study.name for study in studies]
    for task, dataset in names:
        if names.count((task, dataset)) > 1:
            raise SuiteError(
                f"two studies are of {task} on {dataset}; put their arms into one, or split the suite."
            )


def expand_arms(study: Study, task: Task) -> list[Arm]:
    """Return the study's arms in the order of its file. Raises ArchError, or SuiteError for an arm twice."""
    arms: list[Arm] = []
    for entry in study.arms:
        own = {section: given for section, given in entry.own.items() if given}
        options = _options(study, task, own)
        for factors in entry.combinations:
            arm = _arm(factors, study.model, task.factors, options, own)
            if (arm.spec, arm.options) in ((other.spec, other.options) for other in arms):
                raise SuiteError(f"the arm '{arm.name}' stands twice in the suite; leave one of the two out.")
            arms.append(arm)
    return arms


def _arm(
    factors: dict[str, Any],
    common: dict[str, Any],
    task_factors: dict[str, Any],
    options: dict[str, BaseModel],
    own: dict[str, dict[str, Any]],
) -> Arm:
    model = factors.pop("model")
    spec = resolve_spec(model, **{**task_factors, **common, **factors, "classes": task_factors["classes"]})
    different = [{name: value for name, value in factors.items() if name != "fusion"}, *own.values()]
    told_apart_by = [f"{name}={value}" for part in different for name, value in part.items()]
    return Arm(", ".join([f"{model} / {spec.fusion}", *told_apart_by]), model, spec, options, own)


def _cells(studies: list[StudyPlan], seeds: list[int]) -> Iterator[Cell]:
    for measurement in measurements():
        cells = [cell for study in studies for cell in measurement(study).cells(seeds)]
        yield from sorted(cells, key=lambda cell: -1 if cell.seed is None else seeds.index(cell.seed))
