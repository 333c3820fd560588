"""One recipe for every network and task: a network, its optimizer, and how far its training is."""

import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from lightning_fabric.plugins import MixedPrecision, Precision
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import Dataset

from skipbench.bench.advance import Advance
from skipbench.bench.data import Sample
from skipbench.bench.data.loading import Batch, batches, in_random_order
from skipbench.bench.records.curve import POINTS, Curve
from skipbench.bench.tasks import Metrics, Task
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.averaging import average_of, averaged
from skipbench.bench.training.crops import Crops, places
from skipbench.bench.training.evaluation import Predictor, TrainingError, length
from skipbench.bench.training.machine import resolve_device, resolve_precision
from skipbench.bench.training.optimizing import optimizer_of, schedule_of
from skipbench.bench.training.processes import fabric_of
from skipbench.bench.training.ranks import Ranks
from skipbench.bench.training.recipe import Recipe
from skipbench.bench.training.start import look, scale_logits
from skipbench.bench.training.state import Progress, StateError, pack, passing, put_back, unpack


def _prefixed(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


class Trainer:
    """A network with its optimizer and schedule, on its device, and how far its training is."""

    def __init__(
        self, model: nn.Module, task: Task, recipe: Recipe, seed: int, advance: Advance, ranks: Ranks
    ) -> None:
        self.task, self.recipe, self.seed, self.advance, self.ranks = task, recipe, seed, advance, ranks
        device = resolve_device(recipe.device)
        precision = resolve_precision(recipe.precision, device)
        mixed = precision == "bf16-mixed"  # given as a plug-in, which Fabric does not announce each time
        plugin = MixedPrecision("bf16-mixed", device.type) if mixed else Precision()
        self.fabric = fabric_of(ranks, device, plugin)
        self.raw = model.to(memory_format=torch.channels_last if recipe.channels_last else torch.contiguous_format)
        self.raw_optimizer = optimizer_of(self.raw, recipe)
        self.model, self.optimizer = self.fabric.setup(self.raw, self.raw_optimizer)
        self.model.mark_forward_method("predictions")  # DDP is to know of it
        self.schedule = schedule_of(self.raw_optimizer, recipe)
        self.average = average_of(self.raw, recipe.ema) if recipe.ema else None
        self.predictor = Predictor(self.fabric, self.model, task, recipe)
        self.found, self.curve = Progress(), Curve()
        self.unscored: dict[str, Any] | None = None  # while a validation is going on, what it changes, as it was
        self.settings = recipe.model_dump(mode="json") | {
            "device": device.type,
            "precision": precision,
            "task": task.options.model_dump(mode="json"),
            "classes": list(task.info[task.annotation].names),
            "data": task.info.facts,
            "mean": list(self.predictor.mean),
            "std": list(self.predictor.std),
        }

    @property
    def identity(self) -> dict[str, Any]:
        """What a state must be of, to be gone on from."""
        data = self.task.info.fingerprint
        return {"task": self.task.name, "data": data, "recipe": self.recipe.identity, "seed": self.seed}

    def state(self) -> bytes:
        """Return all that another process needs to go on from the last step; a validation begins again."""
        content = {
            "weights": dict(self.raw.named_parameters()),
            **(self.unscored or passing(self.raw, self.fabric.device)),
            "optimizer": self.raw_optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "found": vars(self.found),
            "curve": vars(self.curve),
            "average": dict(self.average.state_dict()) if self.average else None,
        }
        return pack(content, self.identity)

    def go_on(self) -> list[str]:
        """Go on from the state that an earlier process has kept; return a note where it cannot be used."""
        if self.advance.state is None:
            return []
        try:
            content = unpack(self.advance.state, self.identity, self.raw)
        except StateError as error:
            return [f"Trained from the start, as the state that was kept cannot be used: {error}."]
        put_back(content, self.raw, self.fabric.device)
        self.raw_optimizer.load_state_dict(content["optimizer"])
        self.schedule.load_state_dict(content["schedule"])
        self.found, self.curve = Progress(**content["found"]), Curve(**content["curve"])
        if self.average:
            self.average.load_state_dict(content["average"])
        return []

    def tell(self) -> None:
        """Give a state to keep, where it is time to, and say how far training is: a sign of life."""
        self.advance.keep(self.state)
        self.advance(self.found.step / self.recipe.steps)

    def fit(self, train: Dataset[Sample], val: Dataset[Sample]) -> dict[str, float]:
        """Train for what is left of the budget, go back to the best state, and return the values to record.

        Ranks but the first have no scores, and stay at the last state.
        """
        recipe, found, points = self.recipe, self.found, self.recipe.spread(POINTS)
        varied = self._varied(train, recipe.steps, recipe.augmentation, found.step)
        self._validate(train, val)  # where an earlier process was stopped in the middle of it
        while found.step < recipe.steps and not found.ended:
            start = time.perf_counter()
            batch = next(varied)
            if not found.step:
                found.told = self._begin(batch)
                start = time.perf_counter()
            ready, lr = time.perf_counter(), float(self.schedule.get_last_lr()[0])
            found.loss, norm = self._step(batch)
            end = time.perf_counter()
            found.step += 1
            found.clipped += norm > recipe.clip_norm
            found.busy, found.seconds = found.busy + end - ready, found.seconds + end - start
            self.curve.add_step(found.loss, end - start)
            if found.step in points:
                self.curve.add_point(found.step * recipe.batch_size, lr, recipe.batch_size)
            self.tell()
            self._validate(train, val)
        if self.ranks.own == 0:
            self.model.load_state_dict(found.best_state)
        images = found.step * recipe.batch_size
        return (
            _prefixed("val", found.best_scores | {"best_at_images": found.best_images})
            | found.told
            | {
                "train/clipped_share": found.clipped / found.step,
                "train/images": images,
                "train/seconds": found.seconds,
                "train/images_per_s": images / found.seconds,
                "train/busy_share": found.busy / found.seconds,
                "train/loss_last": found.loss,
            }
        )

    def images_per_s(self, train: Dataset[Sample], seconds: float) -> float:
        """Return how fast images are trained on: steps are taken for so long after the first, or all there are."""
        times, last = list[float](), time.perf_counter()
        for batch in self._varied(train, self.recipe.steps, self.recipe.augmentation):
            self._step(batch)
            times.append(time.perf_counter() - last)
            last += times[-1]
            if times[1:] and sum(times[1:]) >= seconds:
                break
        return self.recipe.batch_size * len(times[1:]) / sum(times[1:])

    def _begin(self, batch: Batch) -> dict[str, float]:
        """Bring the logits to their scale on the first batch, and return the values of the start."""
        predict = partial(self._predictions, self.raw)  # DDP is for steps
        batch, *_ = self._parts(batch)
        if self.recipe.data_init:
            scale_logits(self.model, predict, batch["image"], self.task, self.ranks)
        return _prefixed("start", look(self.raw, predict, batch, self.task, self.ranks))

    def _predictions(self, model: Any, image: Tensor) -> list[Tensor]:
        """Return every supervised prediction, float32, of a model for prepared images."""
        with self.fabric.autocast():  # Fabric applies the precision by itself to `forward` alone
            return [logits.float() for logits in model.predictions(image)]

    def _varied(
        self, train: Dataset[Sample], steps: int, augmentation: Augmentation, taken: int = 0
    ) -> Iterator[Batch]:
        """Yield this rank's part of training batches, prepared, as the seed orders and augments them.

        The first `taken` are left out.
        """
        recipe = self.recipe
        order, _ = self._drawn(train, steps, recipe.seed_of("order", self.seed))
        _, draws = self._drawn(train, steps, recipe.seed_of("augmentation", self.seed))
        order, draws = order[taken:], draws[taken:]
        keys, part = ("image", *self.task.info.keys(self.task.targets)), self.ranks.part(recipe.batch_size)
        on_cpu = self.fabric.device.type == "cpu"
        if self.task.info.resize == "crop":
            parts = [of_step[part] for of_step in places(order, draws)]
            read = batches(Crops(train, self.task.info, augmentation), keys, parts, at_once=on_cpu)
            augmentation = augmentation.uncropped
        else:
            read = batches(train, keys, [indices[part] for indices in order], at_once=on_cpu)
        augment = Augmenter(augmentation, self.task.info)
        for batch, draw in zip(read, draws, strict=True):
            varied = augment(self.fabric.to_device(batch), draw, part.start, recipe.batch_size)
            yield self.predictor.prepare(varied)

    def _drawn(self, train: Dataset[Sample], steps: int, seed: int) -> tuple[list[list[int]], list[int]]:
        """Return the images of each step, and the seed of its augmentation, as one seed draws both."""
        generator = torch.Generator().manual_seed(seed)
        order = in_random_order(length(train), steps, self.recipe.batch_size, generator)
        return order, torch.randint(2**62, (steps,), generator=generator).tolist()

    def _step(self, batch: Batch) -> tuple[float, float]:
        """Take one optimizer step; return the loss, and the norm of the gradient before it is clipped."""
        if not self.raw.training:  # saying it to every module takes a millisecond
            self.model.train()
        self.optimizer.zero_grad()
        loss, parts = 0.0, self._parts(batch)
        for part in parts:
            of_part = self.ranks.loss(self.task, self._predictions(self.model, part["image"]), part) / len(parts)
            self.fabric.backward(of_part)
            loss += of_part.item()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        for name, value in (("the loss", loss), ("the gradient norm", norm.item())):
            if not math.isfinite(value):
                images = (self.found.step + 1) * self.recipe.batch_size
                raise TrainingError(
                    f"{name} became {value} at image {images} of {self.recipe.images}; "
                    f"try a lower lr than {self.recipe.lr:g}, or precision 32-true."
                )
        self.optimizer.step()
        self.schedule.step()
        if self.average:
            self.average.update_parameters(self.raw)
        return loss, norm.item()

    def _parts(self, batch: Batch) -> list[Batch]:
        """Return the parts of this rank's part of a batch that are computed one after the other."""
        if self.recipe.accumulate == 1:
            return [batch]
        parts = {key: values.chunk(self.recipe.accumulate) for key, values in batch.items()}
        return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]

    def _validate(self, train: Dataset[Sample], val: Dataset[Sample]) -> None:
        """Score the validation split where that is due after the last step; the first rank does it."""
        recipe, found = self.recipe, self.found
        if found.step not in recipe.validation_steps or found.validated == found.step:
            return
        self.unscored = passing(self.raw, self.fabric.device)
        if self.average:
            self.unscored["weights"] = {name: x.detach().clone() for name, x in self.raw.named_parameters()}
        with averaged(self.raw, self.average):
            if recipe.recalibration_steps:
                update_bn(self._told_images(train), self.model)
            if self.ranks.own == 0:
                self._score(val)
        if recipe.patience:
            found.ended = self.ranks.agreed(found.stale >= recipe.patience, self.fabric.device)
        found.validated, self.unscored = found.step, None

    def _score(self, val: Dataset[Sample]) -> None:
        """Score the validation split; keep what is best."""
        recipe, found = self.recipe, self.found
        scores, headline = self.evaluate(val).compute(), self.task.scores[0]
        key, sign = headline.key, headline.sign
        if key not in scores:
            raise TrainingError(f"'{key}' cannot be computed on the validation split: nothing in it is annotated.")
        self.curve.add_validation(found.step * recipe.batch_size, scores)
        found.stale += 1
        if sign * (scores[key] - found.best_scores.get(key, -sign * math.inf)) > 0:
            found.stale = 0
            found.best_scores, found.best_images = scores, found.step * recipe.batch_size
            found.best_state = {name: value.clone() for name, value in self.model.state_dict().items()}

    def _told_images(self, train: Dataset[Sample]) -> Iterator[Tensor]:
        """Yield the images that statistics are averaged over."""
        for batch in self._varied(train, self.recipe.recalibration_steps, self.recipe.augmentation.geometry):
            yield from (part["image"] for part in self._parts(batch))
            self.tell()

    def evaluate(self, split: Dataset[Sample], halfway: bool = False) -> Metrics:
        """Return the task's metrics, filled by a whole split; of half of the network's stacks if so asked."""
        return self.predictor.evaluate(split, self.tell, halfway)
