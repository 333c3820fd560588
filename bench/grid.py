"""From a suite to its cells: data opened, every arm's spec resolved, each cell with all that determines it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archs import ArchSpec, resolve_spec
from archs.fusion import FUSIONS
from bench.data import Data, open_data
from bench.elastic import require_bendable
from bench.errors import SuiteError
from bench.latency import LatencyOptions
from bench.metrics import MEASURED, Metric
from bench.plugins import plugin_source
from bench.recipe import Recipe
from bench.records import Cell, Kind, content_hash
from bench.suite import OWN_KEYS, ArmEntry, Study, Suite
from bench.tasks import Task, TaskError, create_task, plugged_metrics
from bench.validation import parse


@dataclass(frozen=True)
class Arm:
    """One of the things compared: a resolved spec, how it is trained, and what people call it."""

    name: str
    model: str
    spec: ArchSpec
    recipe: Recipe
    own_recipe: dict[str, Any]  # what of the recipe is not the study's

    @property
    def identity(self) -> dict[str, Any]:
        """Everything about the arm that determines a result."""
        own = {"own_recipe": self.own_recipe} if self.own_recipe else {}
        return {"spec": self.spec.to_dict(), "fusion_source": plugin_source(FUSIONS[self.spec.fusion]), **own}


@dataclass(frozen=True)
class StudyPlan:
    """One task on one dataset, made concrete."""

    resolved: dict[str, Any]  # the study's part of the suite: nothing is left to a default
    data: Data
    task: Task
    latency: LatencyOptions
    image_size: tuple[int, int]  # (H, W) at which cost is counted
    arms: list[Arm]

    @property
    def name(self) -> tuple[str, str]:
        """The task and the dataset."""
        return self.resolved["task"], self.data.info.name

    @property
    def metrics(self) -> list[Metric]:
        """What the study's records can hold: the task's scores of both splits, and all else that is measured."""
        scores = self.task.scores
        return [*(score.on("test") for score in scores), *(score.on("val") for score in scores), *MEASURED]

    def recipe_of(self, cell: Cell) -> Recipe:
        """Return what the cell's arm is trained by."""
        return next(arm.recipe for arm in self.arms if arm.name == cell.arm)


@dataclass(frozen=True)
class Plan:
    """A suite made concrete; whatever can be known to be wrong with it has been looked at."""

    suite: dict[str, Any]
    studies: list[StudyPlan]
    cells: list[Cell]  # cost, latency, then training: all studies' arms at the first seed, all at the second ...
    notes: list[str]  # what was decided for the user

    def study_of(self, cell: Cell) -> StudyPlan:
        """Return the study that a cell belongs to."""
        return next(study for study in self.studies if study.name == (cell.task, cell.dataset))


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
    data, recipe = opened[key], parse(Recipe, study.recipe, place="recipe").resolved()
    try:
        task = create_task(study.task, data.info, recipe.task)
    except TaskError as error:
        if not may_be_left_out:
            raise
        return f"The study of {study.task} is left out: {error}"
    return _study(study, data, task, recipe)


def _study(study: Study, data: Data, task: Task, recipe: Recipe) -> StudyPlan:
    if recipe.augmentation.elastic:
        require_bendable(task.targets)
    image_size = study.cost.size or data.info.size
    latency = parse(LatencyOptions, {"size": image_size, **study.latency}, place="latency")
    resolved = study.model_dump(mode="json") | {
        "recipe": recipe.model_dump(mode="json") | {"task": task.options.model_dump(mode="json")},
        "latency": latency.model_dump(mode="json"),
        "cost": {"size": list(image_size)},
    }
    return StudyPlan(resolved, data, task, latency, image_size, expand_arms(study, task))


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
        recipe = _recipe(study, entry, task)
        for factors in entry.combinations:
            arm = _arm(factors, study.model, task.factors, recipe, entry.recipe)
            if (arm.spec, arm.recipe) in ((other.spec, other.recipe) for other in arms):
                raise SuiteError(f"the arm '{arm.name}' stands twice in the suite; leave one of the two out.")
            arms.append(arm)
    return arms


def _recipe(study: Study, entry: ArmEntry, task: Task) -> Recipe:
    if "task" in entry.recipe:
        raise SuiteError("an arm's own recipe holds 'task', but all arms of a study learn one task: leave it out.")
    options = task.options.model_dump(mode="json")
    return parse(Recipe, {**study.recipe, **entry.recipe, "task": options}, place="an arm's recipe")


def _arm(
    factors: dict[str, Any],
    common: dict[str, Any],
    task_factors: dict[str, Any],
    recipe: Recipe,
    own_recipe: dict[str, Any],
) -> Arm:
    model = factors.pop("model")
    spec = resolve_spec(model, **{**task_factors, **common, **factors, "classes": task_factors["classes"]})
    different = {name: value for name, value in factors.items() if name != "fusion"} | own_recipe
    told_apart_by = [f"{name}={value}" for name, value in different.items()]
    return Arm(", ".join([f"{model} / {spec.fusion}", *told_apart_by]), model, spec, recipe, own_recipe)


def _cells(studies: list[StudyPlan], seeds: list[int]) -> Iterator[Cell]:
    for study in studies:
        for arm in study.arms:
            yield _cell("cost", arm, study, study.resolved["cost"])
    for study in studies:
        # one session times all arms in turns, so a latency is a result of the whole session
        session = content_hash([arm.identity for arm in study.arms])
        for arm in study.arms:
            yield _cell("latency", arm, study, {**study.resolved["latency"], "session": session})
    for seed in seeds:
        for study in studies:
            metrics = {name: plugin_source(part) for name, part in plugged_metrics(study.task.name).items()}
            plugged = {"metrics": metrics} if metrics else {}
            for arm in study.arms:
                recipe = arm.recipe.model_dump(mode="json")
                training = {"recipe": recipe, "data": study.data.info.fingerprint, "seed": seed, **plugged}
                yield _cell("train", arm, study, training, seed)


def _cell(kind: Kind, arm: Arm, study: StudyPlan, conditions: dict[str, Any], seed: int | None = None) -> Cell:
    task, dataset = study.name
    return Cell(
        kind=kind,
        arm=arm.name,
        model=arm.model,
        fusion=arm.spec.fusion,
        encoder=arm.spec.encoder,
        task=task,
        dataset=dataset,
        seed=seed,
        spec=arm.spec.to_dict(),
        determines={**arm.identity, "study": list(study.name), **conditions},
    )
