"""What holds of every registered task."""

import pytest

import archs
from bench.data import DataInfo, open_data
from bench.errors import SuiteError
from bench.tasks import TASKS, TaskError, create_task
from bench.tasks.base import ANNOTATIONS

INFO = open_data("scenes", size=(32, 32), train=2, val=1, test=1).info
BARE = DataInfo("bare", (), 255, (32, 32), {"train": 1, "val": 1, "test": 1}, fingerprint="bare")


@pytest.mark.parametrize("name", TASKS.names())
def test_every_task_states_what_a_trainer_needs(name: str) -> None:
    task = create_task(name, INFO)
    assert task.factors["classes"] >= 1
    assert archs.resolve_spec("unet", **task.factors).classes == task.factors["classes"]
    assert task.targets
    assert task.selection
    assert isinstance(task.higher_is_better, bool)


@pytest.mark.parametrize("name", TASKS.names())
def test_data_without_its_annotation_are_refused(name: str) -> None:
    with pytest.raises(TaskError, match=f"the data 'bare' have no {ANNOTATIONS[TASKS[name].annotation]}"):
        create_task(name, BARE)


@pytest.mark.parametrize("name", TASKS.names())
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(SuiteError, match=r"in recipe\.task: unknown key 'temperature'"):
        create_task(name, INFO, {"temperature": 3})


def test_an_unknown_task_is_answered_with_the_choices() -> None:
    with pytest.raises(archs.UnknownNameError, match="segmentation"):
        create_task("segmentaton", INFO)
