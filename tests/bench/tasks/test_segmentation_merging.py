"""Merged objects and the Rand error: a case counted by hand, scikit-image, and what a class map can do at best."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from torch import Tensor

from skipbench.bench.data import Boxes, DataInfo, Instances, Mask, open_data
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.tasks import create_task
from skipbench.bench.tasks.segmentation.merging import MergeScorer, components, count_pairs

CPU = torch.device("cpu")
INFO = DataInfo(
    "cells", (3, 7), {}, "cells", (Mask(("background", "cell", "dirt")), Instances(), Boxes(("cell", "dirt")))
)


def scored(found: Tensor, batch: Batch, info: DataInfo = INFO) -> dict[str, float]:
    scorer = MergeScorer(create_task("segmentation", info), CPU)
    scorer.update([torch.nn.functional.one_hot(found.long(), 3).movedim(-1, 1).float()], batch)
    return scorer.compute()


def image(*rows: str) -> Tensor:
    return torch.tensor([[int(letter) for letter in row] for row in rows])[None]


THREE = image("1101102", "1101102", "0000000")  # two cells and a piece of dirt
OBJECTS = image("1102203", "1102203", "0000000")


def test_a_case_counted_by_hand() -> None:
    found = image("1111102", "1101100", "0000000")  # a bridge joins the cells, and half of the dirt is missed
    values = scored(found, {"mask": THREE, "instances": OBJECTS})
    # pixels of objects: 4 + 4 + 2; in predicted parts: 8 of one, 1 of the other, 1 background
    both, true, predicted = 2 * 4 * 3 + 0, 4 * 3 + 4 * 3 + 2 * 1, 8 * 7
    assert values == {"merges": 1 / 3, "rand_error": 1 - 2 * both / (true + predicted)}


def test_objects_that_are_lost_cut_or_of_another_class_are_not_merged() -> None:
    assert scored(image("0000000", "0000000", "0000000"), {"mask": THREE, "instances": OBJECTS})["merges"] == 0
    assert scored(image("1102201", "0001101", "0000000"), {"mask": THREE, "instances": OBJECTS})["merges"] == 0
    half = image("1000111", "1111100", "0000000")  # all of one cell's pixels but one, and half of the other's
    assert scored(half, {"mask": THREE, "instances": image("1102200", "1102200", "0000000")})["merges"] == 1 / 2


def test_objects_of_a_class_that_touch_are_one_and_of_two_classes_are_two() -> None:
    mask, objects = image("1112200", "1112200", "0000000"), image("1122300", "1123300", "0000000")
    assert scored(mask, {"mask": mask, "instances": objects}) == {"merges": 0, "rand_error": 0}
    joined = image("1111100", "1111100", "0000000")
    assert scored(joined, {"mask": mask, "instances": objects})["merges"] == 1 / 2


def test_ignored_pixels_and_objects_are_left_out_and_without_instances_there_is_no_score() -> None:
    joined = image("1111111", "1111111", "0000000")
    batch = {"mask": THREE, "instances": OBJECTS}
    assert scored(joined, batch)["merges"] == 2 / 3
    assert scored(joined, batch | {"ignored": torch.tensor([[False, True, False]])})["merges"] == 1 / 2
    unlabelled = replace(INFO, annotations=(replace(INFO[Mask], ignore_index=2), *INFO.annotations[1:]))
    assert scored(joined, batch, unlabelled)["merges"] == 1 / 2
    assert scored(joined, {"mask": THREE}) == {}
    assert scored(joined, batch | {"instances": torch.zeros_like(OBJECTS)}) == {}


@pytest.mark.parametrize("seed", range(8))
def test_the_rand_error_of_an_image_is_that_of_scikit_image(seed: int) -> None:
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(2, 40, 50)), (0, 2, 2))
    true, found = (components(labels, {0}) for labels in np.digitize(smooth, [0.0, 0.08]))
    _, _, both, of_true, of_found = count_pairs(true, found)
    error, *_ = adapted_rand_error(true, found, ignore_labels=(0,))
    assert 0 < error < 1
    assert 1 - 2 * both / (of_true + of_found) == pytest.approx(error, rel=1e-12)


def test_merges_are_those_that_a_search_over_all_pairs_finds() -> None:
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=(2, 60, 60)), (0, 1, 1))
    true, found = components(smooth[0] > 0.2, {0}), components(smooth[0] + 0.5 * smooth[1] > 0.15, {0})
    held = [
        sum(
            2 * ((true == number) & (found == part)).sum() > (true == number).sum()
            for number in np.unique(true)[1:]
        )
        for part in np.unique(found)[1:]
    ]
    assert count_pairs(true, found)[:2] == (true.max(), sum(count - 1 for count in held if count))
    assert sum(count > 1 for count in held) > 2


def test_scenes_have_objects_to_be_kept_apart_and_the_truth_merges_none() -> None:
    data = open_data("scenes", size=(64, 64), train=1, val=1, test=12)
    task = create_task("segmentation", data.info)
    batch = collate(
        [data.test[index] for index in range(12)], ("image", *data.info.keys((*task.targets, *task.truths)))
    )
    scorer = MergeScorer(task, CPU)
    scorer.update(task.perfect([torch.zeros(12, len(data.info[Mask].names), 64, 64)], batch), batch)
    assert scorer.compute() == {"merges": 0, "rand_error": 0}
    assert scorer.per_image()["merges"]["objects"].sum() > 30
