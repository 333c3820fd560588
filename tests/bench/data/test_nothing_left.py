"""What has nothing to learn from or to score is refused before anything runs, each split and task by itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from skipbench.bench.data import Boxes, DataInfo, Joints, Mask, open_data
from skipbench.bench.tasks import TaskError, create_task
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer

Write = Callable[[Path], Path]


def spoil(root: Path, split: str, change: Callable[[dict[str, Any]], Any]) -> None:
    file = root / f"annotations/instances_{split}.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for annotation in content["annotations"]:
            for key in keys:
                annotation.pop(key, None)

    return change


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda content: content["annotations"].clear(), {"segmentation", "detection", "pose"}),
        (without("keypoints"), {"pose"}),
        (
            lambda content: content["annotations"].__delitem__(slice(0, None, 2)),
            {"segmentation", "detection", "pose"},
        ),
    ],
    ids=["nothing", "no keypoints", "crowds alone"],
)
@pytest.mark.parametrize(("split", "what"), [("train", "to learn"), ("val", "to score"), ("test", "to score")])
def test_each_task_needs_something_in_each_split(
    tmp_path: Path,
    write_coco: Write,
    change: Callable[[dict[str, Any]], Any],
    refused: set[str],
    split: str,
    what: str,
) -> None:
    spoil(write_coco(tmp_path), split, change)
    info = open_data("coco", tmp_path, size=(40, 56)).info
    for task in ("segmentation", "detection", "pose"):
        if task not in refused:
            create_task(task, info)
            continue
        with pytest.raises(TaskError, match=rf"no image of '{split}' of the data .* so there is nothing {what}"):
            create_task(task, info)
    assert sum(note.startswith(f"No image of '{split}' has") for note in info.notes) == len(refused)


def test_a_split_of_background_alone_is_refused(tmp_path: Path, small_folder: Any) -> None:
    root = small_folder(tmp_path)
    for path in (root / "masks/test").iterdir():
        Image.fromarray(np.zeros((40, 56), np.uint8)).save(path)
    info = open_data("folder", root).info
    assert "No image of 'test' has masks: tasks that need masks are refused." in info.notes
    with pytest.raises(TaskError, match=r"no image of 'test' of the data .* has masks beside background"):
        create_task("segmentation", info)


def test_a_run_is_refused_before_it_starts(
    skipbench: Any, tiny_suite: str, tmp_path: Path, small_folder: Any
) -> None:
    root = small_folder(tmp_path / "mine")
    for path in (root / "masks/val").iterdir():
        Image.fromarray(np.zeros((40, 56), np.uint8)).save(path)
    outcome = skipbench("run", tiny_suite, "--data", root, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "no image of 'val' of the data 'mine' has masks beside background" in outcome.err
    assert not (tmp_path / "run").exists()


def test_what_is_never_annotated_does_not_refuse_the_rest(tmp_path: Path, write_coco: Write) -> None:
    write_coco(tmp_path)
    for split in ("train", "val", "test"):
        spoil(tmp_path, split, lambda content: [each.update(keypoints=[0] * 6) for each in content["annotations"]])
    info = open_data("coco", tmp_path, size=(40, 56)).info
    assert Joints not in info
    assert Boxes in info
    assert "There are no joints: contains no annotated joint." in info.notes


def test_the_mean_over_background_alone_is_no_score() -> None:
    info = DataInfo("empty", (4, 4), {}, "", (Mask(("background", "cell")),))
    scorer = SegmentationScorer(create_task("segmentation", info), torch.device("cpu"))
    scorer.update([torch.zeros(1, 2, 4, 4)], {"mask": torch.zeros(1, 4, 4)})
    scores = scorer.compute()
    assert scores["iou/background"] == 1
    assert not {"miou", "dice"} & {*scores}
    scorer.update([torch.zeros(1, 2, 4, 4)], {"mask": torch.ones(1, 4, 4)})
    assert scorer.compute()["miou"] == pytest.approx(0.25)


def test_a_fold_that_has_nothing_to_score_is_told_as_one(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for number in range(6):
        mask = np.zeros((8, 8), np.uint8)
        mask[:4] = number == 0
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    info = open_data("folder", tmp_path, size=[8, 8], folds=3).info
    with pytest.raises(TaskError) as caught:
        create_task("segmentation", info)
    told = str(caught.value)
    assert told.startswith("of the 3 folds of the data")
    assert "has no image with masks beside background in 'train' and 'val' and 'test'" in told
    assert told.endswith("give fewer data.folds, more images that have some, or a data.group that parts them.")
