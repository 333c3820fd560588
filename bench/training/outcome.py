"""A whole training, from the first step to the test, and what comes of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from safetensors.torch import save
from torch import nn
from torch.utils.data import Dataset

from skipbench.archs import EncoderDecoder
from skipbench.archs.hub import tensors
from skipbench.bench.advance import Advance
from skipbench.bench.data import Data, Sample
from skipbench.bench.data.loading import collate
from skipbench.bench.records import WEIGHTS, Outcome
from skipbench.bench.tasks import Task
from skipbench.bench.training.evaluation import length
from skipbench.bench.training.machine import resolve_device, use_threads
from skipbench.bench.training.processes import together
from skipbench.bench.training.ranks import ALONE, Ranks
from skipbench.bench.training.recipe import Recipe
from skipbench.bench.training.trainer import Trainer

MOST_STEPS = 64  # by which a training's speed is told
SHOWN_IMAGES = 8  # the first images of the test split are predicted and kept, the same for all arms


def train(
    build_model: Callable[[], nn.Module],
    data: Data,
    task: Task,
    recipe: Recipe,
    seed: int,
    advance: Advance | None = None,
) -> Outcome:
    """Build a network, train it on `data.train` and score it, all drawn from `seed`.

    The seed varies initialisation, order and augmentation, or the one of them that `recipe.vary` names; order and
    augmentation are the same for every network, so that arms can be paired by seed. The state that scores best on
    `data.val` is scored once on `data.test`. On the CPU the same seed gives the same values, timings aside, also
    where several processes had a part in it: `advance` is given states to keep, and what it has of an earlier
    process is gone on from; a state that cannot be used is named in a note, and training starts afresh. torch's
    random state and thread count are left as they were found. With `recipe.devices` above 1 each step is that of
    one device, up to rounding, in as many processes; this one is the first, and the others get `build_model`,
    `data` and `task` as pickles.

    Values: "test/<metric>", "halfway/<metric>" (where stacks refine, those of half of them on the test split),
    "val/<metric>" (of the best state), "val/best_at_images", "train/loss_last",
    "train/images", "train/seconds" (validation not included), "train/images_per_s", "train/busy_share", the share
    of those seconds spent in forward, backward and optimizer, "train/clipped_share", that of steps whose gradient
    was clipped, and "start/...", what `look` finds before the first step. The arrays "predictions" are the task's
    artifact of the first images of the test split. Tables: "curve", "validations", and of the test split
    "images.<name>" for all that scorers keep per image. The file WEIGHTS is the state that was tested.
    Raises TrainingError where loss or gradients stop being finite, TaskError where predictions don't fit, RankError
    where the process of another device fails.
    """
    advance = advance or Advance()
    follow = partial(_follow, build_model, data, task, recipe, seed, advance.state)
    with (
        together(follow, recipe.devices, resolve_device(recipe.device)) as ranks,
        _seeded(recipe.seed_of("initialisation", seed)),
        use_threads(recipe.threads) as threads,
    ):
        task.begin(data.train)
        trainer = Trainer(build_model(), task, recipe, seed, advance, ranks)
        notes = trainer.go_on()
        values = trainer.fit(data.train, data.val)
        if trainer.found.ended and trainer.found.step < recipe.steps:
            notes.append(
                f"Ended at {values['train/images']:,} of {recipe.images:,} images: {recipe.patience} validations "
                "in a row were no better than the best (recipe.patience)."
            )
        if task.info.own_pixels and not task.in_own_pixels:
            notes.append(f"Scored in px of what the network sees, as {task.name} has no `whole` for images' own.")
        tested = trainer.evaluate(data.test)
        values |= {f"test/{name}": value for name, value in tested.compute().items()}
        if isinstance(trainer.raw, EncoderDecoder) and trainer.raw.spec.refines:
            halfway = trainer.evaluate(data.test, halfway=True).compute()
            values |= {f"halfway/{name}": value for name, value in halfway.items()}
        predictor = trainer.predictor
        shown = collate([data.test[index] for index in range(min(SHOWN_IMAGES, length(data.test)))], predictor.keys)
        predictions = task.artifact(predictor.predict(shown), shown).arrays()
        settings = trainer.settings | {"threads": threads}
        if absent := tested.absent():
            notes.append(f"Not in the test split and so not scored: {', '.join(absent)}.")
        of_images = {f"images.{name}": columns for name, columns in tested.per_image().items()}
        return Outcome(
            values,
            settings,
            notes,
            arrays={"predictions": predictions},
            tables=trainer.curve.tables() | of_images,
            files={WEIGHTS: save(tensors(trainer.raw), {"format": "pt"})},
        )


def images_per_s(
    build_model: Callable[[], nn.Module], train: Dataset[Sample], task: Task, recipe: Recipe, seconds: float
) -> float:
    """Return how many images of a split a network is trained on per second, timed over some steps of one device.

    Several devices are taken to be as many times as fast.
    """
    alone = {"devices": 1, "batch_size": recipe.batch_size // recipe.devices}
    few = recipe.model_copy(update={**alone, "images": MOST_STEPS * alone["batch_size"]})
    with _seeded(0), use_threads(recipe.threads):
        trainer = Trainer(build_model(), task, few, 0, Advance(), ALONE)
        return recipe.devices * trainer.images_per_s(train, seconds)


def _follow(
    build_model: Callable[[], nn.Module],
    data: Data,
    task: Task,
    recipe: Recipe,
    seed: int,
    state: bytes | None,
    ranks: Ranks,
) -> None:
    """Train as another rank than the first, which alone scores and keeps."""
    with _seeded(recipe.seed_of("initialisation", seed)), use_threads(recipe.threads):
        task.begin(data.train)
        trainer = Trainer(build_model(), task, recipe, seed, Advance(state=state), ranks)
        trainer.go_on()
        trainer.fit(data.train, data.val)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
