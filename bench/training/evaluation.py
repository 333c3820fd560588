"""A network on its device: how images come to it, what it predicts for them, and how it scores on a split."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as transforms

from skipbench.bench.data import Sample
from skipbench.bench.data.loading import Batch, batches, collate, in_order
from skipbench.bench.data.windows import windows_of
from skipbench.bench.errors import BenchError
from skipbench.bench.tasks import Metrics, Task
from skipbench.bench.tasks.view import View
from skipbench.bench.training.recipe import Recipe
from skipbench.bench.training.windowed import by_view

MEAN = (0.485, 0.456, 0.406)  # of ImageNet; all networks use them that say nothing else
STD = (0.229, 0.224, 0.225)


def normalisation(channels: int) -> tuple[list[float], list[float]]:
    """Return the mean and standard deviation of each channel: ImageNet's, or their means for other channels."""
    if channels == len(MEAN):
        return list(MEAN), list(STD)
    return [sum(MEAN) / len(MEAN)] * channels, [sum(STD) / len(STD)] * channels


class TrainingError(BenchError):
    """Training cannot go on: its numbers are no longer finite, or nothing can be scored."""


def length(dataset: Dataset[Sample]) -> int:
    """Return the number of samples."""
    return len(dataset)  # type: ignore[arg-type]


def normalised(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return images (N, C, H, W), uint8 or from 0 to 1, as float32 in which each channel has mean 0 and std 1."""
    scaled = transforms.to_dtype(images, torch.float32, scale=True)
    prepared: Tensor = transforms.normalize(scaled, list(mean), list(std))
    return prepared


class Predictor:
    """Predicts and scores by a network that Fabric has set up."""

    def __init__(self, fabric: Fabric, model: nn.Module, task: Task, recipe: Recipe) -> None:
        self.fabric, self.model, self.task = fabric, model, task
        own: tuple[Sequence[float], Sequence[float]] | None = getattr(model, "normalisation", None)
        self.mean, self.std = own or normalisation(task.info.channels)
        self._batch_size = recipe.batch_size // recipe.accumulate
        self._memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format

    @property
    def keys(self) -> tuple[str, ...]:
        """What is read of a sample for scores and pictures."""
        return ("image", *self.task.info.keys((*self.task.targets, *self.task.truths)))

    def prepare(self, batch: Batch) -> Batch:
        """Return the batch with images as the network takes them: normalised, in the memory format."""
        image = normalised(batch["image"], self.mean, self.std)
        return batch | {"image": image.contiguous(memory_format=self._memory_format)}

    def evaluate(self, split: Dataset[Sample], alive: Callable[[], None], halfway: bool = False) -> Metrics:
        """Return the task's metrics, filled by a split as it is; `alive` is called after each batch.

        They are of what the network gives, or of what it gives `halfway`, after half of its supervised stacks.
        """
        if self.task.in_own_pixels and self.task.info.own_pixels:
            return self._evaluate_whole(split, alive, halfway)
        metrics = self.task.metrics(self.fabric.device)
        order, on_cpu = in_order(length(split), self._batch_size), self.fabric.device.type == "cpu"
        for batch in batches(split, self.keys, order, at_once=on_cpu):
            batch = self.fabric.to_device(batch)
            metrics.update(self.predict(batch, halfway), batch)
            alive()
        return metrics

    def _evaluate_whole(self, split: Any, alive: Callable[[], None], halfway: bool) -> Metrics:
        """Score images at their own sizes, each by what the network gives for its windows."""
        metrics, info = self.task.metrics(self.fabric.device), self.task.info

        def images() -> Iterator[tuple[View, Sample]]:
            for index in range(length(split)):
                sample = split.whole(index)
                size = sample["image"].shape[-2], sample["image"].shape[-1]
                yield View(sample["image"], windows_of(info.resize, size, info.size, info.overlap)), sample

        def predict(windows: Tensor) -> list[Tensor]:
            outputs = self.predict({"image": windows}, halfway)
            alive()
            return outputs

        for view, sample, outputs in by_view(images(), info.size, self._batch_size, predict):
            batch = self.fabric.to_device(collate([sample], self.keys))
            extent = torch.tensor([view.extent(info.size)], dtype=torch.float64)
            metrics.update(self.task.whole(view, outputs), batch | {"extent": extent})
        return metrics

    @torch.inference_mode()
    def predict(self, batch: Batch, halfway: bool = False) -> list[Tensor]:
        """Return what the network gives, each (N, C, h, w) float32, for images as they are stored; see `evaluate`.

        Raises TrainingError where it is not finite: the largest of such numbers would be scored all the same.
        """
        self.model.eval()
        image = self.prepare(self.fabric.to_device(batch))["image"]
        given = self._halfway(image) if halfway else self.model(image)
        outputs = [output.float() for output in (given if isinstance(given, list) else [given])]
        if not all(output.isfinite().all() for output in outputs):
            raise TrainingError("the network's predictions in evaluation are not finite, so they cannot be scored.")
        return outputs

    def _halfway(self, image: Tensor) -> Tensor:
        model: Any = self.model
        with self.fabric.autocast():  # Fabric applies the precision by itself to `forward` alone
            supervised: list[Tensor] = model.predictions(image)
        return supervised[len(supervised) // 2 - 1]
