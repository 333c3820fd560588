"""Every task keeps the contract, and what breaks it is said in words."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from skipbench.bench.data import Boxes, Data, DataInfo, Joints, Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.records.metrics import Breakdown, Metric, percentage
from skipbench.bench.tasks import TASKS, Scorer, Task
from skipbench.bench.tasks.segmentation import Segmentation
from skipbench.bench.testing import check_metric, check_task
from skipbench.bench.testing.tasks import CHECKS
from skipbench.contracts import Finding

STEPS = ["network", *CHECKS]


def broken(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.message for finding in findings if not finding.ok}


@pytest.mark.parametrize("name", TASKS.names())
def test_every_task_keeps_the_contract(name: str) -> None:
    findings = check_task(TASKS[name])
    assert [finding.check for finding in findings] == STEPS
    assert not broken(findings)


@pytest.mark.parametrize("name", ["segmentation", "pose"])
def test_a_task_need_not_say_what_is_perfect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is what descent on the loss finds."""
    monkeypatch.setattr(TASKS[name], "perfect", Task.perfect)
    assert not broken(check_task(TASKS[name]))


class Backwards(Segmentation):
    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        return -super().loss(predictions, batch)


class Deaf(Segmentation):
    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        return torch.stack([(logits - logits.detach()).sum() for logits in predictions]).sum() + 1


class Flat(Segmentation):
    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        return torch.tensor(1.0, requires_grad=True)


class PerPixel(Segmentation):
    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        return self._cross_entropy(predictions[-1], batch["mask"].long())


class Mistaken(Segmentation):
    """Predicts another class than it learns."""

    def predict(self, logits: Tensor) -> Tensor:
        return (logits.argmax(1) + 1).to(torch.uint8) % logits.shape[1]


class Careless(Segmentation):
    def artifact(self, outputs: list[Tensor], batch: Batch) -> Any:
        return {"prediction": self.predict(outputs[-1])}


class Unread(Segmentation):
    """Keeps a kind of prediction that nobody can read back."""

    def artifact(self, outputs: list[Tensor], batch: Batch) -> LabelMaps:
        kept = super().artifact(outputs, batch)
        object.__setattr__(kept, "kind", "unheard_of")
        return kept


class Elsewhere(Segmentation):
    @classmethod
    def example(cls) -> Data:
        data = super().example()
        info = DataInfo("joints alone", data.info.size, data.info.counts, "", (data.info[Joints], data.info[Boxes]))
        return Data(data.train, data.val, data.test, info)


@pytest.mark.parametrize(
    ("task", "check", "says"),
    [
        (Backwards, "least loss", "the loss of perfect outputs is -0, that of untrained ones -2."),
        (Deaf, "least loss", "the loss of perfect outputs is 1, that of untrained ones 1."),
        (Deaf, "training", "its loss is 1 at first and 1 after 24 steps on the same images."),
        (Flat, "network", "its loss does not depend on prediction 0 of 1."),
        (PerPixel, "network", "its loss has shape (12, 64, 64), expected one number."),
        (Mistaken, "prediction", "for perfect outputs its artifact has 0 of 49152 right."),
        (Careless, "prediction", "its artifact is dict, expected a Prediction."),
        (Unread, "prediction", "no class is registered for predictions of kind 'unheard_of'"),
        (Elsewhere, "network", "the data 'joints alone' have no masks"),
    ],
)
def test_what_breaks_the_contract_of_a_task_is_said_in_words(task: type[Task], check: str, says: str) -> None:
    assert says in broken(check_task(task))[check]


class Accuracy(Scorer):
    """The share of right pixels: a metric as it should be, for others to get wrong."""

    scores: tuple[Metric, ...] = (percentage("accuracy", "Accuracy"),)

    def __init__(self, task: Task, device: torch.device) -> None:
        super().__init__(task, device)
        self.right: list[Tensor] = []

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        known = batch["mask"] != self.task.info[Mask].ignore_index
        self.right.append((outputs[-1].argmax(1) == batch["mask"])[known].double())

    def compute(self) -> dict[str, float]:
        return {"accuracy": float(torch.cat(self.right).mean())}


class Percent(Accuracy):
    def compute(self) -> dict[str, float]:
        return {"accuracy": 100 * super().compute()["accuracy"]}


class LowIsBetter(Accuracy):
    scores = (Metric("accuracy", "Accuracy", "%", "lower", least=0, most=1),)


class Undirected(Accuracy):
    scores = (Metric("accuracy", "Accuracy", "%"),)


class LowIsBetterWithoutLimit(Accuracy):
    scores = (Metric("accuracy", "Accuracy", "%", "lower"),)


class Hopeful(Accuracy):
    scores = (percentage("accuracy", "Accuracy", Breakdown("light", "accuracy_by_light/", ("dim", "bright"))),)


class OfBatches(Accuracy):
    """The mean over batches of their means, of which the last may be smaller."""

    def compute(self) -> dict[str, float]:
        return {"accuracy": float(torch.stack([right.mean() for right in self.right]).mean())}


class CountsAnew(Accuracy):
    """Numbers the images of each batch from 0."""

    def per_image(self) -> dict[str, dict[str, np.ndarray]]:
        images = [np.arange(len(right) // 64**2) for right in self.right]
        return {"shares": {"image": np.concatenate(images)}}


class WithoutImages(Accuracy):
    def per_image(self) -> dict[str, dict[str, np.ndarray]]:
        return {"shares": {"share": np.ones(3)}}


class Undeclared(Accuracy):
    def compute(self) -> dict[str, float]:
        return {**super().compute(), "luck": 0.5}


def test_a_metric_keeps_the_contract() -> None:
    findings = check_metric(Accuracy, "segmentation")
    assert [finding.check for finding in findings] == STEPS[:5]
    assert not broken(findings)
    assert findings[2].message == "accuracy 1"


@pytest.mark.parametrize(
    ("metric", "check", "says"),
    [
        (Percent, "scores", "'accuracy' is 100 for perfect outputs, not between 0.0 and 1.0."),
        (LowIsBetter, "best score", "'accuracy' is 1 for perfect outputs, but its best is 0: fix `better` or the"),
        (LowIsBetterWithoutLimit, "best score", "'accuracy' is 1 for perfect outputs, but 0."),
        (Undirected, "scores", "'accuracy' does not say which way is better."),
        (Hopeful, "scores", "'accuracy_by_light/dim' is declared but not computed on the example."),
        (OfBatches, "batches", "accumulate counts, and divide in `compute`."),
        (
            CountsAnew,
            "per image",
            "[0, 1, 2, 3, 4] in several, where they are 0 to 11: count them over all batches.",
        ),
        (WithoutImages, "per image", "the table 'shares' of WithoutImages needs a column 'image'"),
        (
            Undeclared,
            "scores",
            "Undeclared computes 'luck', which it does not declare: add it to Undeclared.scores",
        ),
    ],
)
def test_what_breaks_the_contract_of_a_metric_is_said_in_words(metric: type[Scorer], check: str, says: str) -> None:
    assert says in broken(check_metric(metric, "segmentation"))[check]
