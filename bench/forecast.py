"""What a plan will cost before it runs: counts, and time from a few training steps on this machine."""

import time
from dataclasses import dataclass
from functools import partial

from torch.utils.data import Subset

from archs import ArchSpec, build_model
from bench.cost import Cost, cost
from bench.data import Data
from bench.grid import StudyPlan
from bench.records import Cell, Kind
from bench.training import train

STEPS = 4  # training steps that are timed for each arm
FORWARD_SHARE = 1 / 3  # of a training step's time: the backward pass takes about twice the forward pass


@dataclass(frozen=True)
class Forecast:
    """One arm's counted cost, and the seconds that a cell of each kind will take on this machine."""

    cost: Cost
    seconds: dict[Kind, float]


def forecast(cell: Cell, study: StudyPlan) -> Forecast:
    """Count the cost of the cell's arm and time STEPS of its training steps; writes nothing."""
    start = time.perf_counter()
    spec = ArchSpec.from_dict(cell.spec)
    counted = cost(spec, study.image_size)
    counting = time.perf_counter() - start
    recipe = study.recipe_of(cell)
    few = recipe.model_copy(update={"images": STEPS * recipe.batch_size, "validations": 1})
    outcome = train(partial(build_model, spec), _few(study.data, recipe.batch_size), study.task, few, seed=0)
    counts = study.data.info.counts
    validated = counts["val"] + recipe.recalibration_steps * recipe.batch_size
    equivalents = recipe.images + FORWARD_SHARE * (recipe.validations * validated + counts["test"])
    per_image = 1 / outcome.values["train/images_per_s"]
    return Forecast(
        counted,
        {"cost": counting, "latency": _latency_seconds(study, per_image), "train": equivalents * per_image},
    )


def _latency_seconds(study: StudyPlan, per_image: float) -> float:
    """Return the seconds that an arm's share of the least blocks takes; builds and new processes come on top."""
    options = study.latency
    forwards = (options.warmup + options.rounds) * options.batch_size * FORWARD_SHARE * per_image
    return options.blocks * max(forwards, options.block_s / len(study.arms))


def _few(data: Data, most: int) -> Data:
    """Return the first images of each split, one batch at most."""
    train_split, val, test = (
        Subset(split, range(min(most, data.info.counts[name])))
        for name, split in (("train", data.train), ("val", data.val), ("test", data.test))
    )
    return Data(train_split, val, test, data.info)
