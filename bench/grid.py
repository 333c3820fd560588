"""From a suite to its cells: data opened, every arm's spec resolved, each cell with all that determines it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from archs import ArchSpec, resolve_spec
from bench.data import Data, DataInfo, open_data
from bench.errors import SuiteError
from bench.latency import LatencyOptions
from bench.plugins import plugin_source
from bench.recipe import Recipe
from bench.records import Cell, Kind, content_hash
from bench.suite import ArmEntry, Suite
from bench.tasks import Task, create_task
from bench.validation import parse


@dataclass(frozen=True)
class Arm:
    """One of the things compared: a resolved spec and what people call it."""

    name: str
    model: str
    spec: ArchSpec

    @property
    def identity(self) -> dict[str, Any]:
        """Everything about the arm that determines a result."""
        return {"spec": self.spec.to_dict(), "fusion_source": plugin_source(self.spec.fusion)}


@dataclass(frozen=True)
class Plan:
    """A suite made concrete; whatever can be known to be wrong with it has been looked at."""

    suite: dict[str, Any]  # resolved: nothing is left to a default
    data: Data
    task: Task
    recipe: Recipe
    latency: LatencyOptions
    image_size: tuple[int, int]  # (H, W) at which cost is counted
    cells: list[Cell]  # cost, latency, then training: all arms at the first seed, all at the second ...


def make_plan(suite: Suite) -> Plan:
    """Open the suite's data, resolve its arms and expand its grid.

    Raises SuiteError, DataError or ArchError with one sentence on the first thing that is wrong.
    """
    recipe = parse(Recipe, suite.recipe, place="recipe")
    data = open_data(suite.data.name, root=suite.data.root, **suite.data.options)
    image_size = suite.cost.size or data.info.size
    latency = parse(LatencyOptions, {"size": image_size, **suite.latency}, place="latency")
    task = create_task(suite.task, data.info)
    resolved = suite.model_dump(mode="json") | {
        "recipe": recipe.model_dump(mode="json"),
        "latency": latency.model_dump(mode="json"),
        "cost": {"size": list(image_size)},
    }
    cells = list(_cells(resolved, expand_arms(suite, task.classes), data.info))
    return Plan(resolved, data, task, recipe, latency, image_size, cells)


def expand_arms(suite: Suite, classes: int) -> list[Arm]:
    """Return the suite's arms in the order of its file. Raises ArchError, or SuiteError for an arm twice."""
    arms: list[Arm] = []
    for entry in suite.arms:
        for values in product(*entry.choices.values()):
            arm = _arm(entry, dict(zip(entry.choices, values, strict=True)), suite.model, classes)
            if arm.spec in (other.spec for other in arms):
                raise SuiteError(f"the arm '{arm.name}' stands twice in the suite; leave one of the two out.")
            arms.append(arm)
    return arms


def _arm(entry: ArmEntry, factors: dict[str, Any], common: dict[str, Any], classes: int) -> Arm:
    model = factors.pop("model")
    spec = resolve_spec(model, **{**common, **factors, "classes": classes})
    told_apart_by = [f"{name}={value}" for name, value in factors.items() if name != "fusion"]
    return Arm(", ".join([f"{model} / {spec.fusion}", *told_apart_by]), model, spec)


def _cells(suite: dict[str, Any], arms: list[Arm], data: DataInfo) -> Iterator[Cell]:
    # one session times all arms in turns, so a latency is a result of the whole session
    session = content_hash([arm.identity for arm in arms])
    training = {"task": suite["task"], "recipe": suite["recipe"], "data": data.fingerprint}
    for arm in arms:
        yield _cell("cost", arm, suite, data, suite["cost"])
    for arm in arms:
        yield _cell("latency", arm, suite, data, {**suite["latency"], "session": session})
    for seed in suite["seeds"]:
        for arm in arms:
            yield _cell("train", arm, suite, data, {**training, "seed": seed}, seed)


def _cell(
    kind: Kind,
    arm: Arm,
    suite: dict[str, Any],
    data: DataInfo,
    conditions: dict[str, Any],
    seed: int | None = None,
) -> Cell:
    return Cell(
        kind=kind,
        arm=arm.name,
        model=arm.model,
        fusion=arm.spec.fusion,
        encoder=arm.spec.encoder,
        task=suite["task"],
        dataset=data.name,
        seed=seed,
        spec=arm.spec.to_dict(),
        determines={**arm.identity, **conditions},
    )
