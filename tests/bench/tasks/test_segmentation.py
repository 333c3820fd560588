"""Segmentation: every score against hand and numpy or scipy, the loss at its known values, border weights."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from skipbench.bench.data import Boxes, DataInfo, Instances, Mask, open_data
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.errors import SuiteError
from skipbench.bench.tasks import Task, TaskError, create_task
from skipbench.bench.tasks.segmentation import border_weights, connected_objects
from skipbench.bench.tasks.segmentation.metrics import SizeScore, object_scores
from skipbench.bench.tasks.view import View, Window
from skipbench.bench.training.augmentation import Augmentation, Augmenter

CLASSES = ("sky", "road", "car", "train")
INFO = DataInfo("streets", (4, 6), {"train": 1, "val": 1, "test": 1}, "streets", (Mask(CLASSES),))


CPU = torch.device("cpu")


def segmentation(ignore_index: int = 255, **options: float) -> Task:
    return create_task("segmentation", with_mask(CLASSES, ignore_index), options)


def with_mask(classes: tuple[str, ...], ignore_index: int = 255) -> DataInfo:
    return replace(INFO, annotations=(Mask(classes, ignore_index=ignore_index),))


def certain(labels: Tensor) -> Tensor:
    """Return logits (N, C, H, W) that are sure of each label (N, H, W)."""
    return 50.0 * torch.nn.functional.one_hot(labels.long(), len(CLASSES)).permute(0, 3, 1, 2).float()


def scores(labels: Tensor, truth: Tensor, ignore_index: int = 255) -> dict[str, float]:
    metrics = segmentation(ignore_index).metrics(CPU)
    metrics.update([certain(labels)], {"mask": truth})
    return regions(metrics.compute())


def regions(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not name.startswith("boundary_f")}


def test_scores_equal_a_case_counted_by_hand() -> None:
    truth = torch.tensor([[[0, 0, 0, 1], [1, 1, 255, 255]]])
    labels = torch.tensor([[[0, 0, 1, 1], [1, 2, 0, 3]]])
    assert scores(labels, truth) == pytest.approx(
        {
            "iou/sky": 2 / 3,  # 2 right of 3 in truth or prediction; the one at an ignored pixel is not seen
            "iou/road": 2 / 4,
            "dice/sky": 4 / 5,
            "dice/road": 4 / 6,
            "miou": (2 / 3 + 2 / 4) / 2,  # a car, predicted once, and a train are not there: no part in the mean
            "dice": (4 / 5 + 4 / 6) / 2,
        }
    )


@pytest.mark.parametrize("ignore_index", [255, 11])
def test_scores_equal_numpy_over_several_batches(ignore_index: int) -> None:
    random = np.random.default_rng(0)
    truth, labels = random.integers(0, 4, (2, 3, 5, 4, 6))
    truth[random.random(truth.shape) < 0.3] = ignore_index
    metrics = segmentation(ignore_index).metrics(CPU)
    for one_truth, one_labels in zip(truth, labels, strict=True):
        metrics.update([certain(torch.from_numpy(one_labels))], {"mask": torch.from_numpy(one_truth)})
    valid = truth != ignore_index
    iou = [
        ((truth == c) & (labels == c) & valid).sum() / (((truth == c) | (labels == c)) & valid).sum()
        for c in range(len(CLASSES))
    ]
    found = metrics.compute()
    assert [found[f"iou/{name}"] for name in CLASSES] == pytest.approx(iou)
    assert found["miou"] == pytest.approx(np.mean(iou))
    assert found["dice"] == pytest.approx(np.mean([2 * each / (1 + each) for each in iou]))


def test_a_class_without_a_true_pixel_is_named_and_no_network_is_charged_with_it() -> None:
    truth = torch.tensor([[[0, 0, 0, 1], [1, 1, 255, 255]]])
    for guess in (truth.clamp(max=1), truth.clamp(max=1).masked_fill(truth == 1, 3)):
        metrics = segmentation().metrics(CPU)
        metrics.update([certain(guess)], {"mask": truth})
        assert metrics.absent() == ["car", "train"]
        assert {name for name in metrics.compute() if name.startswith("iou/")} == {"iou/sky", "iou/road"}


def test_nothing_labelled_has_no_score() -> None:
    assert scores(torch.zeros(1, 4, 6), torch.full((1, 4, 6), 255)) == {}


def test_the_loss_vanishes_on_a_perfect_prediction() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    loss = segmentation().loss([certain(truth)], {"mask": truth})
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_the_loss_is_that_of_chance_where_nothing_is_known() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    loss = segmentation().loss([torch.zeros(1, 4, 4, 6)], {"mask": truth.to(torch.uint8)})
    assert loss.item() == pytest.approx(np.log(4))


def test_the_loss_is_the_mean_over_predictions_and_over_labelled_pixels() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    truth[0, 0] = 255
    unsure = torch.zeros(1, 4, 4, 6)
    task = segmentation()
    known = certain(truth.masked_fill(truth == 255, 0))
    assert task.loss([unsure], {"mask": truth}).item() == pytest.approx(np.log(4))
    assert task.loss([unsure, known], {"mask": truth}).item() == pytest.approx(np.log(4) / 2)


def test_ignored_pixels_teach_nothing_and_break_nothing() -> None:
    logits = torch.randn(2, 4, 4, 6, requires_grad=True)
    loss = segmentation().loss([logits], {"mask": torch.full((2, 4, 6), 255)})
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_predictions_of_another_size_are_refused() -> None:
    with pytest.raises(TaskError, match=r"predicts 2x3 pixels where the mask has 4x6; .*head_stride=1"):
        segmentation().loss([torch.zeros(1, 4, 2, 3)], {"mask": torch.zeros(1, 4, 6)})


def test_the_artifact_shows_images_truth_and_prediction() -> None:
    truth = torch.arange(24).view(1, 4, 6) % 4
    truth[0, 0, 0] = 11
    batch = {"image": torch.arange(72, dtype=torch.uint8).view(1, 3, 4, 6), "mask": truth}
    shown = segmentation(ignore_index=11).artifact([certain(truth % 4)], batch).arrays()
    assert shown["kind"] == "label_maps"
    assert shown["images"].shape == (1, 4, 6, 3)
    assert shown["images"][0, 1, 2].tolist() == batch["image"][0, :, 1, 2].tolist()
    assert shown["truth"][0, 0, 0] == 255
    assert np.array_equal(shown["truth"][0, 1:], truth[0, 1:])
    assert np.array_equal(shown["prediction"][0, 1:], truth[0, 1:])
    assert [shown[key].dtype for key in ("images", "truth", "prediction")] == [np.uint8] * 3
    assert tuple(shown["classes"]) == CLASSES


def test_the_network_has_a_logit_per_class_at_the_images_size() -> None:
    assert segmentation().factors == {"classes": 4, "head_stride": 1}


def test_wrong_options_are_refused_in_one_sentence() -> None:
    with pytest.raises(SuiteError, match=r"in task: unknown key 'border_wieght'. Did you mean 'border_weight'"):
        segmentation(border_wieght=10)
    with pytest.raises(SuiteError, match=r"task.border_sigma is 0, expected more than 0"):
        segmentation(border_sigma=0)


# IoU by object size


@pytest.fixture(scope="module")
def scenes() -> tuple[DataInfo, Batch]:
    data = open_data("scenes", train=12, val=1, test=1)
    return data.info, collate([data.train[index] for index in range(12)])


def worsened(mask: Tensor) -> Tensor:
    """Return labels (N, H, W) that are right but for a shift and some noise."""
    noise = torch.randint(0, 6, mask.shape, generator=torch.Generator().manual_seed(0))
    return torch.where(noise == 0, noise.roll(7, 1), mask.roll(2, 2))


def test_iou_by_size_equals_a_plain_count_object_by_object(scenes: tuple[DataInfo, Batch]) -> None:
    info, batch = scenes
    prediction = worsened(batch["mask"])
    scores: dict[str, list[float]] = {"small": [], "medium": [], "large": []}
    for sample, predicted in enumerate(prediction.numpy()):
        labels, instances = batch["labels"][sample].tolist(), batch["instances"][sample].numpy()
        for number, (label, box) in enumerate(zip(labels, batch["boxes"][sample].tolist(), strict=True), start=1):
            if label == -1:
                continue
            left, top, right, bottom = map(int, box)
            own = predicted == info[Mask].names.index(info[Boxes].names[label])
            same = [1 + other for other, kind in enumerate(labels) if kind == label]
            box_part = np.zeros_like(own)
            box_part[top:bottom, left:right] = True
            shared = np.sum((instances == number) & own)
            union = np.sum((instances == number) | (own & box_part & ~np.isin(instances, same)))
            side = np.sqrt((right - left) * (bottom - top))
            scores["small" if side < 16 else "medium" if side < 32 else "large"].append(shared / union)
    score = SizeScore(info, CPU)
    score.update(prediction, batch)
    assert min(map(len, scores.values())) > 5
    expected = {f"miou_by_size/{size}": np.mean(values) for size, values in scores.items()}
    assert score.compute() == pytest.approx(expected)


def test_the_iou_of_an_object_by_hand() -> None:
    instances = torch.tensor([[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0]])
    prediction = torch.tensor([[3, 3, 3, 3], [3, 0, 3, 3], [3, 3, 0, 0]])
    boxes = torch.tensor([[0.0, 0, 3, 2], [2, 0, 4, 2], [0, 2, 1, 3]])
    labelled = torch.ones(3, 4, dtype=torch.bool)
    scores = object_scores(prediction, labelled, instances, boxes, torch.tensor([3, 3, 1])).tolist()
    assert scores[:2] == [3 / 6, 2 / 4]  # each pays for the two wrong pixels in its box, not for the other's
    assert np.isnan(scores[2])  # it shows no pixel
    labelled[:, 2] = False
    assert object_scores(prediction, labelled, instances, boxes, torch.tensor([3, 3, 1])).tolist()[:2] == [3 / 4, 1]


@pytest.mark.parametrize(("side", "size"), [(1, "small"), (2, "medium"), (3, "medium"), (4, "large")])
def test_an_object_as_large_as_a_limit_is_of_the_larger_size(side: int, size: str) -> None:
    score = SizeScore(replace(INFO, annotations=(Mask(CLASSES), Boxes(("car",))), size_limits=(2.0, 4.0)), CPU)
    mask = torch.zeros(1, 4, 6, dtype=torch.int64)
    mask[0, :side, :side] = 2
    boxes = torch.tensor([[[0.0, 0, side, side]]])
    batch = {"mask": mask, "instances": mask // 2, "boxes": boxes, "labels": torch.zeros(1, 1, dtype=torch.int64)}
    score.update(mask, batch)
    assert score.compute() == {f"miou_by_size/{size}": 1}


def test_sizes_are_absent_where_no_object_is_and_objects_marked_as_ignored_are_none() -> None:
    info = replace(INFO, annotations=(Mask(CLASSES), Boxes(("car", "bicycle"))), size_limits=(1.0, 2.0))
    mask = torch.tensor([[[2, 2, 0, 0, 2, 0]]])
    batch = {
        "mask": mask,
        "instances": torch.tensor([[[1, 1, 0, 2, 3, 0]]], dtype=torch.uint8),
        "boxes": torch.tensor([[[0.0, 0, 2, 1], [3, 0, 4, 1], [4, 0, 5, 1], [0, 0, 0, 0]]]),
        "labels": torch.tensor([[0, 1, 0, -1]]),  # the second is of no class of the mask
        "ignored": torch.tensor([[False, False, True, False]]),
    }
    score = SizeScore(info, CPU)
    score.update(torch.tensor([[[2, 0, 0, 2, 2, 2]]]), batch)
    assert score.compute() == {"miou_by_size/medium": 0.5}  # sqrt 2 px lie between 1 and 2


def test_the_task_scores_all_that_its_data_allow(scenes: tuple[DataInfo, Batch]) -> None:
    info, batch = scenes
    task = create_task("segmentation", info)
    logits = torch.nn.functional.one_hot(batch["mask"], 6).permute(0, 3, 1, 2).float()
    values = {}
    for keys in (("mask",), ("mask", *info.keys(task.truths))):
        metrics = task.metrics(CPU)
        metrics.update([logits], {key: batch[key] for key in keys})
        values[len(keys)] = metrics.compute()
    scored = [f"{score}/{name}" for score in ("iou", "dice", "boundary_f") for name in info[Mask].names]
    assert values[1] == dict.fromkeys(["miou", "dice", "boundary_f", *scored], 1.0)
    by_size = [f"miou_by_size/{size}" for size in ("small", "medium", "large")]
    assert values[5] == values[1] | dict.fromkeys(by_size, 1.0) | {"merges": 0.0, "rand_error": 0.0}


# The border weights


def test_border_weights_equal_distances_by_brute_force() -> None:
    objects = np.zeros((2, 40, 50), np.uint8)
    objects[0, 3:9, 4:12], objects[0, 3:9, 14:20], objects[0, 12:20, 5:9] = 1, 2, 7
    objects[1, 5, 5], objects[1, 30:39, 20:45], objects[1, 20:30, 20:30] = 3, 1, 2
    points = np.stack(np.meshgrid(np.arange(40), np.arange(50), indexing="ij"), -1).reshape(-1, 1, 2)
    for image, weights in zip(objects, border_weights(torch.from_numpy(objects), 10, 2), strict=True):
        places = [np.argwhere(image == number) for number in np.unique(image[image > 0])]
        distances = np.sort([np.linalg.norm(points - each, axis=-1).min(1) for each in places], axis=0)
        expected = 1 + 10 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * 2**2))
        assert weights.numpy() == pytest.approx(expected.reshape(40, 50), abs=2e-6)


def test_border_weights_by_hand_and_without_a_second_object() -> None:
    objects = torch.tensor([[[1, 1, 0, 0, 2, 2]], [[1, 1, 0, 1, 1, 0]]])
    weights = border_weights(objects, 10, 5)
    sums = torch.tensor([4.0, 3, 3, 3, 3, 4])  # between the two, and also on them, d1 + d2 are 3 px
    assert torch.allclose(weights[0, 0], 1 + 10 * torch.exp(-(sums**2) / 50))
    assert torch.equal(weights[1], torch.ones(1, 6))


def test_objects_are_the_components_of_each_class_but_the_background() -> None:
    mask = torch.tensor([[[0, 1, 1, 2], [1, 0, 0, 2], [1, 0, 2, 0], [255, 255, 0, 1]]])
    assert connected_objects(mask, background=0, ignore_index=255).tolist() == [
        [[0, 1, 1, 4], [2, 0, 0, 4], [2, 0, 5, 0], [0, 0, 0, 3]]
    ]


def test_weights_of_one_give_the_plain_loss_exactly() -> None:
    truth = torch.zeros(1, 4, 6, dtype=torch.int64)
    truth[0, 1:3, 1:4], truth[0, 3] = 2, 255  # one object: nothing lies between two
    logits = torch.randn(1, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    plain, weighted = (segmentation(border_weight=weight).loss([logits], {"mask": truth}) for weight in (0, 10))
    assert torch.equal(plain, weighted)
    assert plain.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, truth, ignore_index=255).item())


@pytest.mark.parametrize("told_apart", [True, False])
def test_the_weighted_loss_is_the_mean_by_weight(told_apart: bool) -> None:
    truth = torch.tensor([[[2, 2, 0, 2, 2, 255]]])
    objects = torch.tensor([[[1, 1, 0, 2, 2, 0]]])
    logits = torch.randn(1, 4, 1, 6, generator=torch.Generator().manual_seed(0))
    batch = {"mask": truth} | ({"instances": objects} if told_apart else {})
    weights = border_weights(objects, 10, 5)[0, 0, :5].double()
    losses = -logits.double().log_softmax(1)[0, truth[0, 0, :5], 0, torch.arange(5)]
    expected = (weights * losses).sum() / weights.sum()
    assert segmentation(border_weight=10).loss([logits], batch).item() == pytest.approx(expected.item())


def test_the_first_class_is_the_background_unless_one_has_the_name() -> None:
    truth = torch.tensor([[[1, 0, 1, 1, 1, 1]]])
    logits = torch.randn(1, 2, 1, 6, generator=torch.Generator().manual_seed(0))
    losses = []
    for classes in (("cell", "Background"), ("edge", "cell")):
        task = create_task("segmentation", with_mask(classes), {"border_weight": 10})
        losses.append(task.loss([logits], {"mask": truth}))
    plain = create_task("segmentation", with_mask(("a", "b"))).loss([logits], {"mask": truth})
    assert losses[0] == plain  # a single object
    assert losses[1] != plain


def test_with_border_weights_the_objects_are_augmented_along(scenes: tuple[DataInfo, Batch]) -> None:
    info, batch = scenes
    assert create_task("segmentation", info).targets == (Mask,)
    task = create_task("segmentation", info, {"border_weight": 10})
    assert task.targets == (Mask, Instances)
    kept = {key: batch[key] for key in ("image", *info.keys(task.targets))}
    varied = Augmenter(Augmentation(), info)(kept, seed=0)
    assert not torch.equal(varied["instances"], batch["instances"])
    for sample, labels in enumerate(batch["labels"]):
        of_object = torch.tensor([0, *(1 + label for label in labels.tolist())])  # of each instance: its class
        assert torch.equal(of_object[varied["instances"][sample].long()], varied["mask"][sample])


def test_more_classes_than_a_byte_counts_keep_their_numbers() -> None:
    names = tuple(f"c{number}" for number in range(300))
    info = DataInfo("many", (2, 3), {}, "many", (Mask(names, ignore_index=65535),))
    task: Any = create_task("segmentation", info)
    mask = torch.tensor([[[0, 255, 256], [299, 65535, 44]]])
    logits = task.perfect([torch.zeros(1, 300, 2, 3)], {"mask": mask})
    found = task.artifact(logits, {"mask": mask, "image": torch.zeros(1, 3, 2, 3, dtype=torch.uint8)})
    assert found.truth.tolist() == mask.tolist()
    assert found.prediction[0, 0].tolist() == [0, 255, 256]
    assert found.right(0) == (5, 5)
    assert (found.colored(found.truth)[0, 1, 1] == 0).all()
    assert (found.colored(found.truth)[0, 0, 1] > 0).any()
    for windows in ([Window(0, 0, 2, 3)], [Window(0, 0, 2, 2), Window(0, 1, 2, 2)]):
        view = View(torch.zeros(3, 2, 3, dtype=torch.uint8), windows)
        parts = [[logits[0][0, :, :, each.left : each.left + each.width]] for each in windows]
        assert task.assemble(view, parts).prediction[0, 0].tolist() == [0, 255, 256]
    written: dict[str, bytes] = {}
    type(found).save([("x.png", found)], written.__setitem__)
    assert np.array(Image.open(io.BytesIO(written["masks/x.png"])))[0].tolist() == [0, 255, 256]
