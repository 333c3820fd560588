"""Training as a measurement of a suite: what an arm scores, at each seed."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from skipbench.archs import build_model
from skipbench.bench.advance import Advance
from skipbench.bench.data.base import Part
from skipbench.bench.errors import SuiteError
from skipbench.bench.measure.base import Arm, Forecast, Measurement, register_measurement
from skipbench.bench.records import Outcome
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import Task
from skipbench.bench.training import images_per_s, train
from skipbench.bench.training.elastic import require_bendable
from skipbench.bench.training.recipe import Recipe

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
        """Take two steps, the second of which is timed."""
        recipe = self.options_of(arm)
        return Forecast((recipe.images + self.scored(recipe)) / self.images_per_s(arm))

    def images_per_s(self, arm: Arm, seconds: float = 0.0) -> float:
        """Return how many images a second the arm is trained on, by steps that are timed for so long, at least one.

        They are of few images, which are in memory after the first step.
        """
        recipe, study = self.options_of(arm), self.study
        few = Part(study.data.train, range(min(recipe.batch_size, study.data.info.counts["train"])))
        return images_per_s(partial(build_model, arm.spec), few, study.task_of(arm), recipe, seconds)

    def scored(self, recipe: Recipe) -> float:
        """Return how many images might be trained on in the time that validations and the test take."""
        info = self.study.data.info
        val, test = (info.windows * info.counts[split] for split in ("val", "test"))
        validated = val + recipe.recalibration_steps * recipe.batch_size
        return FORWARD_SHARE * (recipe.validations * validated + test)

    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Outcome:
        """Return what `train` does, and what was decided of the data and the arm."""
        assert seed is not None
        recipe, study = self.options_of(arm), self.study
        build = partial(build_model, arm.spec)
        data = study.data.of_seed(seed)
        trained = train(build, data, study.task_of(arm, data.info), recipe, seed, advance)
        remarks = [f"{arm.name}: {remark}" for remark in arm.spec.remarks]
        return replace(trained, notes=[*study.data.info.notes, *trained.notes, *remarks])
