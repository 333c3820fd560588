"""Training: one recipe for every network and task; the best state on validation is tested once."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision, Precision
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as transforms

from skipbench.bench.advance import Advance
from skipbench.bench.data import Data, DataInfo, Sample
from skipbench.bench.data.loading import Batch, batches, collate, in_order, in_random_order
from skipbench.bench.errors import BenchError
from skipbench.bench.records import Outcome
from skipbench.bench.tasks import Metrics, Task
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.machine import resolve_device, resolve_precision, use_threads
from skipbench.bench.training.recipe import Recipe
from skipbench.bench.training.start import look, scale_logits

__all__ = ["Recipe", "TrainingError", "train"]

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, which pretrained encoders expect; all arms use them
STD = (0.229, 0.224, 0.225)
SHOWN_IMAGES = 8  # the first images of the test split are predicted and kept, the same for all arms


class TrainingError(BenchError):
    """Training cannot go on: its numbers are no longer finite, or nothing can be scored."""


def train(
    build_model: Callable[[], nn.Module],
    data: Data,
    task: Task,
    recipe: Recipe,
    seed: int,
    advance: Advance | None = None,
) -> Outcome:
    """Build a network, train it on `data.train` and score it, all drawn from `seed`.

    The seed varies initialisation, order and augmentation; order and augmentation are the same for every
    network, so that arms can be paired by seed. The state that scores best on `data.val` is scored once on
    `data.test`. On the CPU the same seed gives the same values, timings aside. torch's random state and
    thread count are left as they were found.

    Values: "test/<metric>", "val/<metric>" (of the best state), "val/best_at_images", "train/loss_last",
    "train/images", "train/seconds" (validation not included), "train/images_per_s", "train/busy_share", the share
    of those seconds spent in forward, backward and optimizer, "train/clipped_share", that of steps whose gradient
    was clipped, and "start/...", what `look` finds before the first step. The arrays "predictions" are the task's
    artifact of the first images of the test split.
    Raises TrainingError where loss or gradients stop being finite, TaskError where predictions don't fit.
    """
    own_random_state = torch.random.fork_rng(devices=range(torch.cuda.device_count()))
    with own_random_state, use_threads(recipe.threads) as threads:
        torch.manual_seed(seed)
        trainer = _Trainer(build_model(), task, recipe)
        values = trainer.fit(data.train, data.val, seed, advance or Advance())
        tested = trainer.evaluate(data.test)
        values |= _prefixed("test", tested.compute())
        shown = collate([data.test[index] for index in range(min(SHOWN_IMAGES, _length(data.test)))], trainer.keys)
        predictions = task.artifact(trainer.predict(shown), shown).arrays()
        settings, absent = trainer.settings | {"threads": threads}, tested.absent()
        notes = [f"Not in the test split and so not scored: {', '.join(absent)}."] if absent else []
        return Outcome(values, settings, notes, arrays={"predictions": predictions})


def _length(dataset: Dataset[Sample]) -> int:
    return len(dataset)  # type: ignore[arg-type]


def _facts(info: DataInfo) -> dict[str, Any]:
    """Return what a reader of the scores must know of the data; `size_limits_px` are sides of squares."""
    facts = {"size": list(info.size), "counts": info.counts, "size_limits_px": list(info.limits)}
    for annotation in info.annotations:
        facts |= annotation.facts
    return facts


def _prefixed(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters as the optimizer takes them: norms and biases, one number per channel, don't decay."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


@dataclass
class _Best:
    """The state that scores best on validation so far."""

    scores: dict[str, float] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)
    images: int = 0


class _Trainer:
    """A network with its optimizer and schedule, on its device."""

    def __init__(self, model: nn.Module, task: Task, recipe: Recipe) -> None:
        self.task, self.recipe = task, recipe
        device = resolve_device(recipe.device)
        precision = resolve_precision(recipe.precision, device)
        mixed = precision == "bf16-mixed"  # given as a plug-in, which Fabric does not announce each time
        plugin = MixedPrecision("bf16-mixed", device.type) if mixed else Precision()
        self.fabric = Fabric(accelerator=device.type, devices=1, plugins=plugin)
        self.memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        model = model.to(memory_format=self.memory_format)
        optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), recipe.lr, fused=True)
        self.model, self.optimizer = self.fabric.setup(model, optimizer)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.lr, total_steps=recipe.steps, pct_start=recipe.warmup
        )
        self.settings = recipe.model_dump(mode="json") | {
            "device": device.type,
            "precision": precision,
            "task": task.options.model_dump(mode="json"),
            "data": _facts(task.info),
            "mean": list(MEAN),
            "std": list(STD),
        }

    @property
    def keys(self) -> tuple[str, ...]:
        """What is read of a sample for scores and pictures."""
        return ("image", *self.task.info.keys((*self.task.targets, *self.task.truths)))

    def fit(self, train: Dataset[Sample], val: Dataset[Sample], seed: int, advance: Advance) -> dict[str, float]:
        """Train for the whole budget, go back to the best state, and return the values to record."""
        recipe, best = self.recipe, _Best()
        varied = self._varied(train, recipe.steps, seed, recipe.augmentation)
        busy = seconds = 0.0
        start_values: dict[str, float] = {}
        clipped = 0
        for step in range(1, recipe.steps + 1):
            start = time.perf_counter()
            batch = next(varied)
            if step == 1:
                start_values = self._begin(batch)
                start = time.perf_counter()
            ready = time.perf_counter()
            loss, norm = self._step(batch, step * recipe.batch_size)
            end = time.perf_counter()
            clipped += norm > recipe.clip_norm
            busy, seconds = busy + end - ready, seconds + end - start
            advance(step / recipe.steps)
            if step in recipe.validation_steps:
                if recipe.recalibration_steps:
                    again = self._varied(train, recipe.recalibration_steps, seed, recipe.augmentation.geometry)
                    update_bn((batch["image"] for batch in again), self.model)
                self._keep_best(best, val, step * recipe.batch_size)
        self.model.load_state_dict(best.state)
        images = recipe.steps * recipe.batch_size
        return (
            _prefixed("val", best.scores | {"best_at_images": best.images})
            | start_values
            | {
                "train/clipped_share": clipped / recipe.steps,
                "train/images": images,
                "train/seconds": seconds,
                "train/images_per_s": images / seconds,
                "train/busy_share": busy / seconds,
                "train/loss_last": loss,
            }
        )

    def _begin(self, batch: Batch) -> dict[str, float]:
        """Bring the logits to their scale on the first batch, and return the values of the start."""
        if self.recipe.data_init:
            scale_logits(self.model, self._predictions, batch["image"], self.task)
        return _prefixed("start", look(self.model, self._predictions, batch, self.task))

    def _predictions(self, image: Tensor) -> list[Tensor]:
        """Return every supervised prediction, float32, for prepared images."""
        with self.fabric.autocast():  # Fabric applies the precision by itself to `forward` alone
            return [logits.float() for logits in self.model.predictions(image)]

    def _varied(self, train: Dataset[Sample], steps: int, seed: int, augmentation: Augmentation) -> Iterator[Batch]:
        """Yield batches of the training split as `seed` orders and augments them, prepared."""
        recipe, generator = self.recipe, torch.Generator().manual_seed(seed)
        order = in_random_order(_length(train), steps, recipe.batch_size, generator)
        draws = torch.randint(2**62, (steps,), generator=generator).tolist()
        augment = Augmenter(augmentation, self.task.info)
        keys = ("image", *self.task.info.keys(self.task.targets))
        for batch, draw in zip(batches(train, keys, order), draws, strict=True):
            yield self._prepare(augment(self.fabric.to_device(batch), draw))

    def _step(self, batch: Batch, images: int) -> tuple[float, float]:
        """Take one optimizer step; return the loss, and the norm of the gradient before it is clipped."""
        self.model.train()
        loss = self.task.loss(self._predictions(batch["image"]), batch)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        for name, value in (("the loss", loss.item()), ("the gradient norm", norm.item())):
            if not math.isfinite(value):
                raise TrainingError(
                    f"{name} became {value} at image {images} of {self.recipe.images}; "
                    f"try a lower lr than {self.recipe.lr:g}, or precision 32-true."
                )
        self.optimizer.step()
        self.schedule.step()
        return loss.item(), norm.item()

    def _prepare(self, batch: Batch) -> Batch:
        """Return the batch with images as the network takes them: normalised, in the memory format."""
        image = transforms.to_dtype(batch["image"], torch.float32, scale=True)
        image = transforms.normalize(image, list(MEAN), list(STD))
        return batch | {"image": image.contiguous(memory_format=self.memory_format)}

    def _keep_best(self, best: _Best, val: Dataset[Sample], images: int) -> None:
        """Score the validation split; where it is better than before, keep scores and state in memory."""
        scores, headline = self.evaluate(val).compute(), self.task.scores[0]
        key, sign = headline.key, headline.sign
        if key not in scores:
            raise TrainingError(f"'{key}' cannot be computed on the validation split: nothing in it is annotated.")
        if sign * (scores[key] - best.scores.get(key, -sign * math.inf)) > 0:
            best.scores, best.images = scores, images
            best.state = {name: value.clone() for name, value in self.model.state_dict().items()}

    def evaluate(self, split: Dataset[Sample]) -> Metrics:
        """Return the task's metrics, filled by a whole split, without augmentation."""
        metrics = self.task.metrics(self.fabric.device)
        for batch in batches(split, self.keys, in_order(_length(split), self.recipe.batch_size)):
            batch = self.fabric.to_device(batch)
            metrics.update(self.predict(batch), batch)
        return metrics

    @torch.inference_mode()
    def predict(self, batch: Batch) -> list[Tensor]:
        """Return what the network gives, each (N, C, h, w) float32, for images as they are stored.

        Raises TrainingError where it is not finite: the largest of such numbers would be scored all the same.
        """
        self.model.eval()
        given = self.model(self._prepare(self.fabric.to_device(batch))["image"])
        outputs = [output.float() for output in (given if isinstance(given, list) else [given])]
        if not all(output.isfinite().all() for output in outputs):
            raise TrainingError("the network's predictions in evaluation are not finite, so they cannot be scored.")
        return outputs
