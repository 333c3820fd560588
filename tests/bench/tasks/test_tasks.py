"""What holds of every registered task."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from skipbench import archs
from skipbench.bench.data import DataInfo, Mask, open_data
from skipbench.bench.data.loading import Batch
from skipbench.bench.errors import BenchError, SuiteError
from skipbench.bench.records.metrics import percentage
from skipbench.bench.tasks import (
    METRICS,
    TASKS,
    Scorer,
    TaskError,
    create_task,
    list_metrics,
    plugged_metrics,
    register_metric,
)

INFO = open_data("scenes", size=(64, 64), train=2, val=1, test=1).info
BARE = DataInfo("bare", (32, 32), {"train": 1, "val": 1, "test": 1}, fingerprint="bare")


@pytest.fixture(autouse=True)
def _own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let metrics that a test registers be gone after it."""
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))


@pytest.mark.parametrize("name", TASKS.names())
def test_every_task_states_what_a_trainer_needs(name: str) -> None:
    task = create_task(name, INFO)
    assert task.factors["classes"] >= 1
    assert archs.resolve_spec("unet", **task.factors).classes == task.factors["classes"]
    assert task.targets
    assert task.name == name


@pytest.mark.parametrize("name", TASKS.names())
def test_every_score_says_which_way_is_better_and_has_keys_of_its_own(name: str) -> None:
    scores = create_task(name, INFO).scores
    assert all(score.better for score in scores)
    assert not [pair for pair in combinations(scores, 2) if pair[0].overlaps(pair[1])]


class Brightness(Scorer):
    """A metric from elsewhere: how bright the images are, which no network changes."""

    scores = (percentage("brightness", "Brightness"),)
    told = "brightness"

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        self.value = float(batch["image"].float().mean() / 255)

    def compute(self) -> dict[str, float]:
        return {self.told: self.value}


def test_a_plugged_in_metric_is_one_of_the_task_s_scores_and_not_its_headline() -> None:
    register_metric("segmentation")(Brightness)
    task = create_task("segmentation", INFO)
    keys = ["miou", "dice", "boundary_f", "merges", "rand_error", "brightness"]
    assert [score.key for score in task.scores] == keys
    assert plugged_metrics("segmentation") == {"segmentation/brightness": Brightness}
    assert "brightness" not in [score.key for score in create_task("detection", INFO).scores]


def test_a_score_that_is_not_declared_is_refused() -> None:
    class Talkative(Brightness):
        told = "loudness"

    register_metric("segmentation")(Talkative)
    metrics = create_task("segmentation", INFO).metrics(torch.device("cpu"))
    image, mask = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 4, 4, dtype=torch.uint8)
    metrics.update([torch.zeros(1, len(INFO[Mask].names), 4, 4)], {"image": image, "mask": mask})
    with pytest.raises(TaskError, match="Talkative computes 'loudness', which it does not declare"):
        metrics.compute()


@pytest.mark.parametrize("key", ["miou", "iou/car", "miou_by_size/small"])
def test_a_metric_s_key_is_its_own(key: str) -> None:
    taken = type("Taken", (Brightness,), {"scores": (percentage(key, "Taken"),)})
    with pytest.raises(TaskError, match=f"segmentation already has a score 'miou': .* than '{key}'"):
        register_metric("segmentation")(taken)


def test_a_metric_without_a_declaration_is_refused() -> None:
    silent = type("Silent", (Brightness,), {"scores": ()})
    with pytest.raises(TaskError, match=r"Silent declares no scores: list them in Silent\.scores"):
        register_metric("segmentation")(silent)


def test_every_score_is_listed_with_its_task() -> None:
    listed = list_metrics()
    assert {"segmentation/miou", "segmentation/dice", "pose/error_px", "detection/ap50"} < {*listed}
    register_metric("segmentation")(Brightness)
    assert {*list_metrics()} - {*listed} == {"segmentation/brightness"}


def test_a_metric_of_an_unknown_task_is_answered_with_the_choices() -> None:
    with pytest.raises(BenchError, match="segmentation"):
        register_metric("segmentaton")(Brightness)


@pytest.mark.parametrize("name", TASKS.names())
def test_data_without_its_annotation_are_refused(name: str) -> None:
    with pytest.raises(TaskError, match=f"the data 'bare' have no {TASKS[name].annotation.plural}"):
        create_task(name, BARE)


@pytest.mark.parametrize("name", TASKS.names())
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(SuiteError, match=r"in task: unknown key 'temperature'"):
        create_task(name, INFO, {"temperature": 3})


def test_an_unknown_task_is_answered_with_the_choices() -> None:
    with pytest.raises(BenchError, match="segmentation"):
        create_task("segmentaton", INFO)
