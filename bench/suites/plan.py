"""From a suite to its cells: data opened, every arm's spec resolved, each cell with all that determines it."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

from pydantic import BaseModel

from skipbench.archs import FACTORS, ArchSpec, resolve_spec
from skipbench.archs.encoders import build_encoder, require_published
from skipbench.archs.presets import PRESETS
from skipbench.bench.data import Data, open_data
from skipbench.bench.errors import SuiteError
from skipbench.bench.measure import MEASUREMENTS, Arm, Forecast, Measurement, StudyPlan, measurements
from skipbench.bench.records import Cell
from skipbench.bench.suites.matching import matched_arms
from skipbench.bench.suites.minutes import spend_minutes
from skipbench.bench.suites.morphs import add_morph, note_on
from skipbench.bench.suites.reading import OWN_KEYS
from skipbench.bench.suites.schema import TASK, Study, Suite, Variant, choice_of
from skipbench.bench.tasks import Task, TaskError, create_task
from skipbench.bench.validation import parse
from skipbench.bench.yaml_values import dotted
from skipbench.display import label, quoted
from skipbench.errors import unknown_name

DEFAULTS = {name: factor.default for name, factor in FACTORS.items()}


@dataclass(frozen=True)
class Plan:
    """A suite made concrete; everything that can be checked before measuring has been checked."""

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
        """Return what is known of a cell's arm before it is measured, by measurement; writes nothing."""
        study = self.study_of(cell)
        arm = next(arm for arm in study.arms if arm.name == cell.arm)
        return {measurement.name: measurement(study).forecast(arm) for measurement in measurements()}


def make_plan(suite: Suite, leave_out_unserved: bool = False, jobs: int = 1) -> Plan:
    """Open the suite's data, resolve its arms and expand its grid.

    `leave_out_unserved`: a study whose data have nothing for its task is left out, and a note says so. Where a
    budget is in minutes, arms are timed; `jobs` trainings go on side by side.
    Raises SuiteError, DataError, TaskError or ArchError with one sentence on the first thing that is wrong.
    """
    opened: dict[str, Data] = {}
    made = [_made_concrete(study, opened, leave_out_unserved) for study in suite.studies]
    studies = [study for study in made if isinstance(study, StudyPlan)]
    left_out = [reason for reason in made if isinstance(reason, str)]
    if not studies:
        raise SuiteError(" ".join(left_out))
    _require_distinct(studies)
    studies = spend_minutes(studies, jobs)
    own = suite.model_dump(mode="json", include=set(OWN_KEYS))
    resolved = {**own, "studies": [study.resolved for study in studies]}
    remarks = (f"{arm.name}: {remark}" for study in studies for arm in study.arms for remark in arm.spec.remarks)
    of_studies = (note for study in studies for note in (*study.data.info.notes, *study.notes))
    notes = dict.fromkeys([*of_studies, *left_out, *remarks])
    return Plan(resolved, studies, list(_cells(studies)), list(notes))


def _made_concrete(study: Study, opened: dict[str, Data], may_be_left_out: bool) -> "StudyPlan | str":
    """Return the study made concrete; or why its data cannot serve its task, where it may be left out.

    `opened` holds the data that other studies have opened. Raises as `make_plan` does.
    """
    key = study.data.model_dump_json()
    if key not in opened:
        found = open_data(study.data.name, root=study.data.root, **study.data.options)
        opened[key] = found.called(study.data.label or found.info.name)
    data = opened[key]
    try:
        task = create_task(study.task.name, data.info, study.task.options)
    except TaskError as error:
        if not may_be_left_out:
            raise
        return f"The study of {study.task.name} is left out: {error}"
    _require_scores(study, task)
    options = _options(study, task, {})
    resolved = study.model_dump(mode="json", exclude_defaults=True) | {
        "task": {"name": study.task.name, **task.options.model_dump(mode="json")},
        **{part.section: options[part.name].model_dump(mode="json") for part in measurements()},
    }
    arms, morphs = expand_arms(study, task)
    for number, steps in morphs.items():
        resolved["arms"][number]["steps"] = [arm.name for arm in steps]
    notes = list(map(note_on, morphs.values()))
    if study.match:
        matched = matched_arms(study.match, arms)
        arms, notes = matched.arms, [*notes, *(f"{study.task.name}: {note}" for note in matched.notes)]
        resolved["match"]["solved"] = matched.solved
    _require_weights(arms)
    notes += _untested(data, study.seeds)
    return StudyPlan(resolved, data, task, options, arms, notes)


def _require_scores(study: Study, task: Task) -> None:
    """Raise SuiteError for a margin of a score that the task does not have."""
    known = [score.on("test").key for score in task.scores]
    for key in study.margin if isinstance(study.margin, dict) else ():
        if key not in known:
            raise SuiteError("in margin: " + unknown_name("score", key, known))


def _untested(data: Data, seeds: Sequence[int]) -> list[str]:
    """Return a note on the folds of a cross-validation that no seed tests on."""
    left = sorted(set(range(len(data.folds))) - {seed % len(data.folds) for seed in seeds}) if data.folds else []
    if not left:
        return []
    told, every = ", ".join(map(str, left)), list(range(len(data.folds)))
    return [f"The folds {told} of {data.info.name} are not tested on: seeds={every} is one training for each."]


def _require_weights(arms: Sequence[Arm]) -> None:
    """Raise PretrainedError where the weights of an encoder cannot be had, before anything is measured."""
    for spec in {
        (arm.spec.encoder, arm.spec.encoder_weights): arm.spec for arm in arms if arm.spec.weighted
    }.values():
        if spec.encoder_weights is None:
            require_published(spec.encoder)
        else:
            build_encoder(spec)


def _options(study: Study, task: Task, own: Mapping[str, dict[str, Any]]) -> dict[str, BaseModel]:
    """Return each measurement's options, and the task's, for a study, or for arms that have some of their `own`."""
    of_measurements = {
        measurement.name: measurement.read(study.sections, task, own.get(measurement.section, {}))
        for measurement in measurements()
    }
    return {**of_measurements, TASK: _task_options(task, own.get(TASK, {}))}


def _task_options(task: Task, own: dict[str, Any]) -> BaseModel:
    for option in own:
        if option in task.Options.model_fields and option not in task.of_loss:
            raise SuiteError(
                f"in an arm's task: '{option}' may change more than the loss, so all arms of a study share it; "
                f"give it next to the task's name: task: {{name: {task.name}, ...}}."
            )
    return parse(task.Options, {**task.options.model_dump(mode="json"), **own}, place="an arm's task")


def _require_distinct(studies: list[StudyPlan]) -> None:
    names = [study.name for study in studies]
    for task, dataset in names:
        if names.count((task, dataset)) > 1:
            raise SuiteError(
                f"there are two studies of {task} on {dataset}; merge their arms into one, or name their data "
                "apart by a label (data.label: small)."
            )


def expand_arms(study: Study, task: Task) -> tuple[list[Arm], dict[int, list[Arm]]]:
    """Return the study's arms in the order of its file, those of morphs last, and the steps of each morph.

    A morph is known by the number of its entry; a step is another's arm where there is one.
    Raises ArchError, or SuiteError for a duplicate arm and for a name that two arms have.
    """
    variants = [(entry, variant) for entry in study.arms for variant in entry.variants]
    varied = {key for _, variant in variants for key in dotted(variant.own)}
    make = partial(_arm, study, task, varied)
    arms: list[Arm] = []
    for arm in (make(variant) for entry, variant in variants if not entry.morph):
        for other in arms:
            if (arm.spec, arm.options) == (other.spec, other.options):
                raise SuiteError(f"the arms '{other.name}' and '{arm.name}' are the same; remove one of them.")
        arms.append(arm)
    morphs = {number: add_morph(arms, entry, make) for number, entry in enumerate(study.arms) if entry.morph}
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise SuiteError(f"two different arms are called '{name}'; give each its own name.")
    return arms, morphs


def _arm(study: Study, task: Task, varied: Set[str], variant: Variant, spec: ArchSpec | None = None) -> Arm:
    """Return the arm that a variant is, of the network that `spec` describes if it is given."""
    of_task = {"in_channels": task.info.channels, **task.factors}
    usual, options = _dotted(_options(study, task, {})), _options(study, task, variant.own)
    spec, values = spec or _spec(variant, study.model, of_task), _dotted(options)
    models_own = {**usual, **_plain({**DEFAULTS, **PRESETS[variant.model], **of_task, **study.model})}
    here = {**values, **spec.to_dict(), "model": variant.model}
    differences = {key: value for key, value in variant.differences.items() if here.get(key) != models_own.get(key)}
    own = {key: value for key, value in values.items() if key in varied}
    return Arm(label(variant.name or variant.model, differences), variant.model, spec, options, variant.own, own)


def _dotted(options: Mapping[str, BaseModel]) -> dict[str, Any]:
    of_measurements = {part.section: options[part.name].model_dump(mode="json") for part in measurements()}
    return dotted({**of_measurements, TASK: options[TASK].model_dump(mode="json")})


def _plain(factors: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in factors.items()}


def _spec(variant: Variant, common: dict[str, Any], of_task: dict[str, Any]) -> ArchSpec:
    for name, value in (common | variant.factors).items():
        if isinstance(value, list) and name in FACTORS and not FACTORS[name].takes_lists:
            raise SuiteError(f"the factor '{name}' takes one value, not {quoted(value)}; {choice_of(name, value)}")
    spec = resolve_spec(variant.model, **{**of_task, **common, **variant.factors, "classes": of_task["classes"]})
    if spec.in_channels != of_task["in_channels"]:
        raise SuiteError(
            f"in_channels is {spec.in_channels}, but images have {of_task['in_channels']} channel(s): leave it "
            "out, as networks take what the data have (data.channels)."
        )
    return spec


def _cells(studies: list[StudyPlan]) -> Iterator[Cell]:
    for measurement in measurements():
        cells = [
            (0 if cell.seed is None else study.seeds.index(cell.seed), cell)
            for study in studies
            for cell in measurement(study).cells(study.seeds)
        ]
        yield from (cell for _, cell in sorted(cells, key=itemgetter(0)))
