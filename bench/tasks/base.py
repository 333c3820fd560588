"""What a task must offer so that trainer and store need to know no task by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from archs.registry import Registry
from bench.data import DataInfo
from bench.errors import BenchError

Batch = dict[str, Tensor]  # sample key -> the values of all samples, the first axis counts samples


class TaskError(BenchError):
    """A network's predictions do not fit the task."""


class Metrics(Protocol):
    """Collects the scores of one pass over a split."""

    def update(self, logits: Tensor, batch: Batch) -> None:
        """Take in one batch: the last prediction (N, C, H, W) and the samples it is for."""

    def compute(self) -> dict[str, float]:
        """Return all scores by name; a score that is not defined on what was seen is absent."""


class Task(ABC):
    """One kind of prediction on one dataset: its targets, loss, metrics and pictures."""

    targets: ClassVar[tuple[str, ...]]  # keys of a sample, next to "image", that loss and metrics read
    selection: ClassVar[str]  # the metric that picks the best state on the validation split
    higher_is_better: ClassVar[bool]

    def __init__(self, info: DataInfo) -> None:
        self.info = info

    @property
    @abstractmethod
    def classes(self) -> int:
        """The number of output channels that a network for this task needs."""

    @abstractmethod
    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return the scalar loss, the mean over every supervised prediction (each N, C, H, W).

        Raises TaskError where a prediction does not have the target's size.
        """

    @abstractmethod
    def metrics(self, device: torch.device) -> Metrics:
        """Return an empty collector of scores that lives on `device`."""

    @abstractmethod
    def artifact(self, logits: Tensor, batch: Batch) -> dict[str, np.ndarray]:
        """Return images, truth and prediction of a few samples as arrays, for the store to keep."""


TASKS: Registry[type[Task]] = Registry("task")


def register_task(name: str) -> Callable[[type[Task]], type[Task]]:
    """Return the decorator that files a Task under `name`. Raises DuplicateNameError."""
    return TASKS.register(name)


def create_task(name: str, info: DataInfo) -> Task:
    """Return the task `name` for the dataset that `info` describes. Raises UnknownNameError."""
    return TASKS[name](info)
