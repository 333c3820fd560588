"""What a task must offer so that trainer, store and reports need not know any task by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.utils.data import Dataset

from skipbench.bench.data import Annotation, Data, DataInfo, Sample, open_data
from skipbench.bench.data.loading import Batch
from skipbench.bench.errors import BenchError
from skipbench.bench.predictions import Prediction
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks.view import View
from skipbench.bench.validation import parse
from skipbench.registry import Registry

Tables = dict[str, dict[str, np.ndarray]]  # name -> column -> (rows,)
LOGIT_STD = 0.1  # before training, of logits without unit: near what FCOS's own start gives


class TaskError(BenchError):
    """A network's predictions, or the data, do not fit the task."""


class Scorer(ABC):
    """Collects some of a task's scores in one pass over a split: it declares them, and it computes them."""

    scores: ClassVar[tuple[Metric, ...]]

    def __init__(self, task: Any, device: torch.device) -> None:
        """Begin a pass with the outputs of a network for `task`, which lie on `device`."""
        self.task, self.device = task, device

    @abstractmethod
    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in what the network gives for one batch (each N, C, h, w; several where all levels are read)."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return the declared scores by key; a score that is not defined on what was seen is absent."""

    def absent(self) -> list[str]:
        """Return the classes, objects or joints that the data name and the truth seen does not show."""
        return []

    def per_image(self) -> Tables:
        """Return what the scores can be computed from anew for any choice of images, as tables; {} for none.

        A row is a class of an image, a joint, a detection ...; in the column "image" stands the image's number in
        the split, from 0. Other columns are numbers or words, each (rows,).
        """
        return {}


class Metrics:
    """All scores of a task in one pass over a split."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self._scorers = scorers

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in what the network gives for one batch, see `Scorer.update`."""
        for scorer in self._scorers:
            scorer.update(outputs, batch)

    def compute(self) -> dict[str, float]:
        """Return all scores by key. Raises TaskError for one that its scorer does not declare."""
        values: dict[str, float] = {}
        for scorer in self._scorers:
            scores = scorer.compute()
            for key in scores:
                if not any(score.holds(key) for score in scorer.scores):
                    name = type(scorer).__name__
                    raise TaskError(f"{name} computes '{key}', which it does not declare: add it to {name}.scores.")
            values |= scores
        return values

    def absent(self) -> list[str]:
        """Return what the data name and the truth seen does not show."""
        return list(dict.fromkeys(name for scorer in self._scorers for name in scorer.absent()))

    def per_image(self) -> Tables:
        """Return the tables of all scorers. Raises TaskError where two have one name, or one has no images."""
        found: Tables = {}
        for scorer in self._scorers:
            for name, columns in scorer.per_image().items():
                scorer_name = type(scorer).__name__
                if name in found:
                    raise TaskError(f"{scorer_name} has a table '{name}', as another scorer does: rename it.")
                if "image" not in columns or len({len(column) for column in columns.values()}) > 1:
                    raise TaskError(
                        f"the table '{name}' of {scorer_name} needs a column 'image', and columns of one length."
                    )
                found[name] = columns
        return found


class Options(BaseModel):
    """A task's own settings, beside its name in a suite; a task without any takes this class as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(ABC):
    """One kind of prediction on one dataset: its targets, head, loss, scores and pictures."""

    name: ClassVar[str] = ""  # under which it is registered
    Options: ClassVar[type[Options]] = Options
    annotation: ClassVar[type[Annotation]]  # what it learns from, and the data must have
    truths: ClassVar[tuple[type[Annotation], ...]] = ()  # what only scores and pictures read, where there is some
    scorers: ClassVar[tuple[type[Scorer], ...]]  # the first score of the first is the headline
    in_own_pixels: ClassVar[bool] = False  # whether it can be scored at images' own sizes, by what `whole` returns
    of_loss: ClassVar[frozenset[str]] = frozenset()  # its options that only the loss reads: arms may differ in them
    seeks_people: ClassVar[bool] = False  # whether it helps to know where people are on a new image

    def __init__(self, info: DataInfo, options: Any = None) -> None:
        """Raises TaskError where the dataset has nothing to learn this task from."""
        if self.annotation not in info:
            missing = self.annotation.plural
            raise TaskError(
                f"the data '{info.name}' have no {missing}, so there is nothing to learn this task from."
            )
        if empty := info.bare.get(self.annotation.plural):
            missing, named = self.annotation.plural, " and ".join(f"'{split}'" for split in empty)
            wanted = "to learn" if "train" in empty else "to score"
            if info.fold:
                raise TaskError(
                    f"of the {info.fold[1]} folds of the data '{info.name}' one at least has no image with "
                    f"{missing}{self.annotation.beside} in {named}, so there is nothing {wanted}: give fewer "
                    "data.folds, more images that have some, or a data.group that parts them."
                )
            raise TaskError(
                f"no image of {named} of the data '{info.name}' has {missing}{self.annotation.beside}, so there is "
                f"nothing {wanted}: put images that have {missing} into each split, or leave the split out, so "
                "that it is taken from the training images."
            )
        if info.resize == "crop" and not self.in_own_pixels:
            raise TaskError(
                f"{self.name} is not scored in windows of an image (data.resize=crop), since what several of them "
                "show is not joined: set data.resize=fit."
            )
        self.info = info
        self.options = options or self.Options()

    @property
    def targets(self) -> tuple[type[Annotation], ...]:
        """What the loss reads, where the data have it; augmented with the image."""
        return (self.annotation,)

    @property
    def scores(self) -> tuple[Metric, ...]:
        """What it is scored by, plugged-in metrics last; the first, its headline, picks the best state."""
        return tuple(score for scorer in self._scorers for score in scorer.scores)

    @property
    def _scorers(self) -> tuple[type[Scorer], ...]:
        return (*self.scorers, *plugged_metrics(self.name).values())

    def metrics(self, device: torch.device) -> Metrics:
        """Return an empty collector of all scores, of outputs that lie on `device`."""
        return Metrics([scorer(self, device) for scorer in self._scorers])

    def begin(self, train: Dataset[Sample]) -> None:  # noqa: B027 (most losses need to know nothing)
        """Take in what the loss needs to know of all samples to be trained on; called before the first step."""

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

    def perfect(self, outputs: list[Tensor], batch: Batch) -> list[Tensor] | None:
        """Return what a network that knows the truth gives in place of `outputs` (each N, C, h, w).

        The task's contract is checked with it. None where it is not known: then it is what has the least loss.
        """
        return None

    @classmethod
    def example(cls) -> Data:
        """Return small data for its contract, in whose test images every group of every score has something."""
        return open_data("scenes", size=(64, 64), train=8, val=4, test=12)

    @abstractmethod
    def artifact(self, outputs: list[Tensor], batch: Batch) -> Prediction:
        """Return what is predicted for a few samples, beside their truth, for the store and the report."""

    def whole(self, view: View, outputs: Iterable[list[Tensor]]) -> list[Tensor]:
        """Return what stands for a network's outputs on an image at its own size; its scorers take it as outputs.

        `outputs` are those for each window of `view`, as for `assemble`. Asked of a task that is scored
        `in_own_pixels` alone. The batch that goes with it is of this image at its own size, and says under "extent"
        (1, 2) how high and wide in its px all is that was seen of it, padding included.
        """
        raise NotImplementedError

    def assemble(self, view: View, outputs: Iterable[list[Tensor]]) -> Prediction:
        """Return what is predicted for one new image, in its px, where the truth is not known.

        `outputs` are what the network gives for each window of `view`, each (C, h, w) float32 on the CPU. All are
        to be taken; one at a time, since there may be many. Raises TaskError where a task has no such method.
        """
        raise TaskError(
            f"the task '{self.name}' does not say how new images are predicted: give {type(self).__name__} a "
            "method 'assemble'."
        )


TASKS: Registry[type[Task]] = Registry("task", Task, BenchError)
METRICS: Registry[type[Scorer]] = Registry(  # of tasks that somebody else wrote: "segmentation/my_score"
    "metric", Scorer, BenchError
)


def register_task(name: str) -> Callable[[type[Task]], type[Task]]:
    """Return the decorator that registers a Task under `name`. Raises BenchError where it is taken."""

    def register(task: type[Task]) -> type[Task]:
        TASKS.register(name)(task)
        task.name = name
        return task

    return register


def register_metric(task: str) -> Callable[[type[Scorer]], type[Scorer]]:
    """Return the decorator that adds a Scorer's scores to those of `task`, wherever the task is run.

    Raises BenchError for an unknown task, TaskError for a score without a declaration or with another's key.
    """

    def register(scorer: type[Scorer]) -> type[Scorer]:
        if not getattr(scorer, "scores", ()):
            raise TaskError(f"{scorer.__name__} declares no scores: list them in {scorer.__name__}.scores.")
        present = (*TASKS[task].scorers, *plugged_metrics(task).values())
        for other in (score for known in present for score in known.scores):
            for score in filter(other.overlaps, scorer.scores):
                raise TaskError(f"{task} already has a score '{other.key}': choose a key other than '{score.key}'.")
        return METRICS.register(f"{task}/{scorer.scores[0].key}")(scorer)

    return register


def known_scores() -> dict[str, Metric]:
    """Return every score of every task, plugged-in ones too, by a name such as "segmentation/miou"."""
    scorers = {task: (*TASKS[task].scorers, *plugged_metrics(task).values()) for task in TASKS.names()}
    return {
        f"{task}/{score.key}": score
        for task, of_task in scorers.items()
        for scorer in of_task
        for score in scorer.scores
    }


def list_metrics() -> list[str]:
    """Return the names of all scores."""
    return list(known_scores())


def plugged_metrics(task: str) -> dict[str, type[Scorer]]:
    """Return the scorers that were added to those of `task`, by their names."""
    return {name: METRICS[name] for name in METRICS.names() if name.startswith(f"{task}/")}


def create_task(name: str, info: DataInfo, options: Any = None) -> Task:
    """Return the task `name` for the dataset that `info` describes; `options` stand beside its name.

    Raises BenchError for an unknown name, SuiteError for an option, TaskError where the data don't serve it.
    """
    task = TASKS[name]
    return task(info, parse(task.Options, options or {}, place="task"))
