"""What a task must offer so that trainer, store and reports need to know no task by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from archs.registry import Registry
from bench.data import DataInfo
from bench.errors import BenchError
from bench.loading import Batch
from bench.validation import parse

LOGIT_STD = 0.1  # before training, of logits without unit: near what FCOS's own start gives
ANNOTATIONS = {"classes": "masks", "objects": "boxes", "joints": "joints"}  # info's field -> what it stands for


class TaskError(BenchError):
    """A network's predictions, or the data, do not fit the task."""


class Metrics(Protocol):
    """Collects the scores of one pass over a split."""

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in what the network gives for one batch (each N, C, h, w; several where all levels are read)."""

    def compute(self) -> dict[str, float]:
        """Return all scores by name; a score that is not defined on what was seen is absent."""

    def absent(self) -> list[str]:
        """Return the classes, objects or joints that the data name and the truth seen does not show."""


class Options(BaseModel):
    """A task's own settings, the recipe's section `task`; a task without any takes this class as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(ABC):
    """One kind of prediction on one dataset: its targets, head, loss, metrics and pictures."""

    Options: ClassVar[type[Options]] = Options
    annotation: ClassVar[str]  # what of a dataset's info it needs: "classes" (masks), "objects" (boxes), "joints"
    targets: tuple[str, ...]  # sample keys next to "image" that the loss reads; augmented with the image
    truths: ClassVar[tuple[str, ...]] = ()  # keys that only scores and pictures read, where the data have them
    selection: ClassVar[str]  # the metric that picks the best state on the validation split
    higher_is_better: ClassVar[bool] = True

    def __init__(self, info: DataInfo, options: Any = None) -> None:
        """Raises TaskError where the dataset has nothing to learn this task from."""
        if not getattr(info, self.annotation):
            missing = ANNOTATIONS[self.annotation]
            raise TaskError(f"the data '{info.name}' have no {missing}: there is nothing to learn this task from.")
        self.info = info
        self.options = options or self.Options()

    @property
    @abstractmethod
    def factors(self) -> dict[str, Any]:
        """The factors of an ArchSpec that a network for this task has, unless an arm says otherwise."""

    @abstractmethod
    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return the scalar loss of every supervised prediction (each N, C, h, w, float32).

        Raises TaskError where a prediction does not fit the targets.
        """

    def neutral(self, logits: Tensor) -> Tensor:
        """Return what a network gives that knows nothing, in place of logits (N, C, h, w); its loss is chance."""
        return torch.zeros_like(logits)

    def logit_std(self, logits: Tensor) -> float:
        """Return how far from neutral logits (N, C, h, w) are before training, as a root mean square."""
        return LOGIT_STD

    @abstractmethod
    def metrics(self, device: torch.device) -> Metrics:
        """Return an empty collector of scores that lives on `device`."""

    @abstractmethod
    def artifact(self, outputs: list[Tensor], batch: Batch) -> dict[str, np.ndarray]:
        """Return images, truth and prediction of a few samples as arrays, and their "kind", for the store."""


TASKS: Registry[type[Task]] = Registry("task")


def register_task(name: str) -> Callable[[type[Task]], type[Task]]:
    """Return the decorator that files a Task under `name`. Raises DuplicateNameError."""
    return TASKS.register(name)


def create_task(name: str, info: DataInfo, options: Mapping[str, Any] | None = None) -> Task:
    """Return the task `name` for the dataset that `info` describes; `options` are the recipe's section `task`.

    Raises UnknownNameError for the name, SuiteError for an option, TaskError where the data don't serve it.
    """
    task = TASKS[name]
    return task(info, parse(task.Options, dict(options or {}), place="recipe.task"))
