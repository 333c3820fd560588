"""Training as a measurement of a suite: what an arm scores, at each seed."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch.utils.data import Subset

from skipbench.archs import build_model
from skipbench.bench.advance import Advance
from skipbench.bench.data import Data
from skipbench.bench.errors import SuiteError
from skipbench.bench.measure.base import Arm, Forecast, Measurement, register_measurement
from skipbench.bench.records import Outcome
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import Task
from skipbench.bench.training import train
from skipbench.bench.training.elastic import require_bendable
from skipbench.bench.training.recipe import Recipe

STEPS = 4  # training steps by which a whole training is forecast
FORWARD_SHARE = 1 / 3  # of a training step's time: the backward pass takes about twice the forward pass


@register_measurement("train")
class Training(Measurement[Recipe]):
    """Trains each arm with each seed and scores it."""

    section = "recipe"
    Options = Recipe
    metrics = (
        Metric("val/best_at_images", "Best at image", digits=0),
        Metric("train/images", "Images seen", digits=0),
        Metric("train/seconds", "Training time", "s", "lower"),
        Metric("train/images_per_s", "Training speed", "images/s", "higher"),
        Metric("train/busy_share", "Busy share", "%", "higher", scale=100),
        Metric("train/loss_last", "Last loss", "", "lower", digits=3),
        Metric("train/clipped_share", "Steps clipped", "%", scale=100),
        Metric("start/loss", "First loss", digits=3),
        Metric("start/outputs", "Supervised outputs", digits=0),
        Metric("start/loss_over_chance", "First loss over chance", digits=2),
        Metric("start/signal_rms", "Decoder's signal at the start", digits=2),
        Metric("start/gradient_norm", "Gradient norm at the start", digits=2),
        Metric("start/decoder_gradient_norm", "Decoder's gradient norm at the start", digits=2),
    )
    seeded = on_data = per_arm = True
    timed = False
    weight = 1.0

    @classmethod
    def read(cls, sections: Mapping[str, Any], task: Task, own: Mapping[str, Any]) -> Recipe:
        """Return the recipe, with what the machine decides in words."""
        if "task" in {**sections.get(cls.section, {}), **own}:
            raise SuiteError(
                f"in recipe: 'task' is not part of it; a study's options of its task go next to the task's name: "
                f"task: {{name: {task.name}, ...}}."
            )
        recipe = super().read(sections, task, own).resolved()
        if recipe.augmentation.elastic:
            require_bendable(task.info.of(task.targets))
        return recipe

    def identity_of(self, options: Recipe) -> dict[str, Any]:
        """Return the recipe, without options that came later where they change nothing."""
        return options.identity

    def forecast(self, arm: Arm) -> Forecast:
        """Take STEPS steps."""
        recipe, data = self.options_of(arm), self.study.data
        few = recipe.model_copy(update={"images": STEPS * recipe.batch_size, "validations": 1})
        build = partial(build_model, arm.spec)
        task = self.study.task_of(arm)
        values = train(build, _few(data, recipe.batch_size), task, few, seed=0).values
        validated = data.info.counts["val"] + recipe.recalibration_steps * recipe.batch_size
        passes = recipe.validations * validated + data.info.counts["test"]
        return Forecast((recipe.images + FORWARD_SHARE * passes) / values["train/images_per_s"])

    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Outcome:
        """Return what `train` does, and what was decided of the data and the arm."""
        assert seed is not None
        recipe, study = self.options_of(arm), self.study
        build = partial(build_model, arm.spec)
        trained = train(build, study.data, study.task_of(arm), recipe, seed, advance)
        remarks = [f"{arm.name}: {remark}" for remark in arm.spec.remarks]
        return replace(trained, notes=[*study.data.info.notes, *trained.notes, *remarks])


def _few(data: Data, most: int) -> Data:
    """Return the first images of each split, one batch at most."""
    train_split, val, test = (
        Subset(split, range(min(most, data.info.counts[name])))
        for name, split in (("train", data.train), ("val", data.val), ("test", data.test))
    )
    return Data(train_split, val, test, data.info)
