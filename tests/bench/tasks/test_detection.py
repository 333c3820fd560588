"""Detection: the loss at its known values, decoding, the artifact, and what a network for it must be."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from skipbench import archs
from skipbench.bench.data import Boxes, DataInfo, open_data
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.errors import SuiteError
from skipbench.bench.tasks import TaskError, create_task
from skipbench.bench.tasks.detection import Detection
from skipbench.bench.tasks.detection.head import distances_inside, locate
from skipbench.bench.tasks.detection.loss import assign, centre_ness

OBJECTS = ("car", "person", "tram")
INFO = DataInfo("streets", (48, 64), {}, "streets", (Boxes(OBJECTS),))
SIZES = [(3, 4), (6, 8), (12, 16)]  # strides 16, 8 and 4
SURE = 50.0  # a logit whose probability is 1 in float32


def detection(info: DataInfo = INFO, **options: float) -> Detection:
    task = create_task("detection", info, options)
    assert isinstance(task, Detection)
    return task


def batch_of(boxes: list[list[list[float]]], labels: list[list[int]]) -> Batch:
    truth = torch.tensor(boxes, dtype=torch.float32).view(len(labels), -1, 4)
    return {
        "image": torch.zeros(len(labels), 3, *INFO.size, dtype=torch.uint8),
        "boxes": truth,
        "labels": torch.tensor(labels).view(len(labels), -1),
        "ignored": torch.zeros(truth.shape[:2], dtype=torch.bool),
    }


def some_boxes() -> Batch:
    large, small, thin = [3.0, 5, 60, 41], [20.0, 12, 31, 25], [33.0, 2, 40, 44]
    return batch_of([[large, small], [thin, [0.0, 0, 0, 0]]], [[0, 2], [1, -1]])


def as_maps(flat: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Return predictions (N, A, K + 5) as the maps of a network, each (N, K + 5, h, w)."""
    levels = flat.transpose(1, 2).split([h * w for h, w in sizes], 2)
    return [level.unflatten(2, size) for level, size in zip(levels, sizes, strict=True)]


def perfect(task: Detection, batch: Batch, sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Return the maps that predict the batch's boxes perfectly."""
    channels = task.factors["classes"]
    return task.perfect([torch.zeros(len(batch["boxes"]), channels, *size) for size in sizes], batch)


def centres(task: Detection, batch: Batch, sizes: list[tuple[int, int]]) -> Tensor:
    """Return the centre-ness of each location that has a box."""
    locations = locate(sizes, task.info.size, task.options.range_per_stride, torch.device("cpu"))
    targets = assign(locations, batch["boxes"], batch["labels"], batch["ignored"], task.options.centre_radius)
    return centre_ness(distances_inside(locations.points, targets.boxes)[targets.positive])


@pytest.mark.parametrize("sizes", [SIZES, SIZES[-1:]])
def test_a_perfect_prediction_leaves_the_entropy_of_the_centre_ness(sizes: list[tuple[int, int]]) -> None:
    maps, centre = (made(detection(), some_boxes(), sizes) for made in (perfect, centres))
    entropy = -torch.xlogy(centre, centre) - torch.xlogy(1 - centre, 1 - centre)
    assert len(centre) > 10
    assert detection().loss(maps, some_boxes()).item() == pytest.approx(entropy.mean().item(), abs=1e-5)


def test_the_entropy_is_the_least_loss() -> None:
    maps = perfect(detection(), some_boxes(), SIZES)
    least = detection().loss(maps, some_boxes())
    generator = torch.Generator().manual_seed(0)
    for channels in (slice(0, 3), slice(3, 7), slice(7, 8)):  # of classes, distances and centre-ness
        worse = [each.clone() for each in maps]
        for each in worse:
            noise = torch.randn(each[:, channels].shape, generator=generator)
            each[:, channels] = each[:, channels].clamp(-2, 2) + noise
        assert detection().loss(worse, some_boxes()) > least + 0.01


def test_the_loss_where_nothing_is_known_is_that_counted_by_hand() -> None:
    batch = batch_of([[[0.0, 0, 64, 48]]], [[1]])
    maps = [torch.zeros(1, 8, 1, 1)]  # one location, at 32, 32; the box found there is -32, -32, 96, 96
    focal = (0.25 + 2 * 0.75) * 0.5**2 * math.log(2)  # one class is there, two are not
    overlap = 1 - 64 * 48 / 128**2  # the true box lies in the found one
    assert detection().loss(maps, batch).item() == pytest.approx(focal + overlap + math.log(2))


def test_the_levels_are_one_set_of_predictions() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 8, *size, generator=generator) for size in SIZES]
    first, second = ({key: value[n : n + 1] for key, value in some_boxes().items()} for n in range(2))
    single = [detection().loss([each[n : n + 1] for each in maps], part) for n, part in enumerate((first, second))]
    together = detection().loss(maps, some_boxes())
    assert min(single) < together < max(single)  # each weighted by its number of locations with a box


def test_a_batch_without_boxes_teaches_that_nothing_is_there() -> None:
    maps = [torch.zeros(2, 8, *size, requires_grad=True) for size in SIZES]
    loss = detection().loss(maps, batch_of([[], []], [[], []]))
    loss.backward()
    locations = 2 * sum(h * w for h, w in SIZES)
    assert loss.item() == pytest.approx(locations * 3 * 0.75 * 0.5**2 * math.log(2), rel=1e-5)
    for each in maps:
        assert each.grad is not None
        assert (each.grad[:, :3] > 0).all()
        assert (each.grad[:, 3:] == 0).all()


def test_ignored_boxes_teach_nothing() -> None:
    batch = some_boxes()
    batch["ignored"] = batch["labels"] >= 0
    maps = [torch.zeros(2, 8, *size, requires_grad=True) for size in SIZES]
    detection().loss(maps, batch).backward()
    gradient = maps[-1].grad
    assert gradient is not None
    assert (gradient[0, :, 2:10, 1:15] == 0).all()  # inside the large box of the first image
    assert (gradient[1, :3, 2:10, 1:8] > 0).all()  # beside the thin box of the second


def test_the_loss_is_finite_however_wrong_the_distances_are() -> None:
    for size in (-1e4, 1e4):
        maps = [torch.full((2, 8, *each), size, requires_grad=True) for each in SIZES]
        loss = detection().loss(maps, some_boxes())
        loss.backward()
        assert math.isfinite(loss.item())
        assert all(each.grad is not None and each.grad.isfinite().all() for each in maps)


def test_a_perfect_prediction_of_scenes_has_every_score_at_one() -> None:
    data = open_data("scenes", train=1, val=1, test=6)
    batch = collate([data.test[index] for index in range(6)])
    task = detection(data.info, range_per_stride=4.0)
    maps = perfect(task, batch, [(6, 6), (12, 12), (24, 24)])
    metrics = task.metrics(torch.device("cpu"))
    metrics.update([each[:4] for each in maps], {key: value[:4] for key, value in batch.items()})
    metrics.update([each[4:] for each in maps], {key: value[4:] for key, value in batch.items()})
    values = metrics.compute()
    assert {"ap", "ap/person", "ap_by_size/small", "ar_by_size/large"} <= set(values)
    assert list(values.values()) == pytest.approx([1] * len(values))


def one_row(*locations: list[float]) -> list[Tensor]:
    """Return the single map, one row of stride 16, with these values at its first locations, else nothing found."""
    flat = torch.full((1, 12, 8), -SURE)
    flat[0, : len(locations)] = torch.tensor(locations)
    return as_maps(flat, [(3, 4)])


def sides(x: float, y: float, box: tuple[float, float, float, float]) -> list[float]:
    """Return the logarithms of the distances in strides of 16 from a point to a box's sides."""
    return [math.log(each / 16) for each in (x - box[0], y - box[1], box[2] - x, box[3] - y)]


def test_a_score_is_the_geometric_mean_of_class_and_centre_ness() -> None:
    maps = one_row([-SURE, 2.0, -SURE, *sides(8, 8, (2, 4, 30, 20)), -1.0])
    [found] = detection().detect(maps)
    assert found.boxes.flatten().tolist() == pytest.approx([2, 4, 30, 20])
    assert found.labels.tolist() == [1]
    assert found.scores.item() == pytest.approx(math.sqrt(1 / (1 + math.exp(-2)) / (1 + math.exp(1))))


def test_overlapping_boxes_of_one_class_are_one() -> None:
    box, near = (0, 0, 40, 32), (0, 0, 40, 24)  # IoU .75
    maps = one_row(
        [0.0, -SURE, 1.0, *sides(8, 8, box), SURE],
        [1.0, -SURE, -SURE, *sides(24, 8, near), SURE],
    )
    [found] = detection().detect(maps)
    assert sorted(found.labels.tolist()) == [0, 2]  # both are as sure
    assert found.boxes.tolist() == [pytest.approx(near if label == 0 else box) for label in found.labels]
    assert len(detection(nms_iou=0.8).detect(maps)[0].boxes) == 3
    assert len(detection(score_threshold=0.8).detect(maps)[0].boxes) == 2
    assert len(detection(candidates=1).detect(maps)[0].boxes) == 1


def test_boxes_are_clipped_to_the_image_and_at_most_a_thousand() -> None:
    flat = torch.zeros(2, 192, 8)  # three classes at 192 locations
    flat[..., 3:7] = -2.0
    flat = flat.repeat(1, 4, 1)
    found = detection(candidates=2000).detect(as_maps(flat, [(24, 32)]))
    for each in found:
        assert len(each.boxes) == 1000
        assert each.boxes.amin() >= 0
        assert (each.boxes.amax(0) <= torch.tensor([64.0, 48, 64, 48])).all()


def test_the_artifact_shows_the_surest_boxes_and_no_ignored_truth() -> None:
    batch = some_boxes()
    batch["ignored"][0, 0] = True
    batch["image"][0, :, 1, 2] = torch.tensor([1, 2, 3])
    logits = torch.full((2, 192, 8), -SURE)
    logits[0, :, 0] = 4.0 - torch.arange(192) / 100  # from sure to unsure
    logits[0, :, 3:7], logits[0, :, 7] = -1.0, SURE
    logits[1, 5] = torch.tensor([-SURE, -SURE, -3.0, 0, 0, 0, 0, SURE])  # a score of .22
    shown = detection().artifact(as_maps(logits, SIZES[-1:]), batch).arrays()
    assert shown["kind"] == "boxes"
    assert tuple(shown["classes"]) == OBJECTS
    assert shown["images"].shape == (2, 48, 64, 3)
    assert shown["images"][0, 1, 2].tolist() == [1, 2, 3]
    assert shown["images"].dtype == np.uint8
    assert shown["truth_labels"].tolist() == [[-1, 2], [1, -1]]
    assert np.array_equal(shown["truth_boxes"], batch["boxes"])
    assert shown["boxes"].shape == (2, 20, 4)
    assert shown["labels"].tolist() == [[0] * 20, [-1] * 20]
    assert (np.diff(shown["scores"][0]) <= 0).all()
    assert shown["scores"][1].tolist() == [0] * 20


@pytest.mark.parametrize("levels", ["all", "finest"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_network_of_the_tasks_factors_fits(levels: str, shared: bool) -> None:
    task = detection(replace(INFO, size=(45, 67)))
    factors = task.factors | {"head": "fcos_light", "head_levels": levels, "share_head": shared}
    factors |= {"supervision": "levels" if levels == "all" else "last"}
    network = archs.create_model("fpn", encoder_name="test_resnet", width=8, strides=(4, 8, 16), **factors)
    image = torch.zeros(2, 3, 45, 67)
    maps = network.predictions(image)
    task.loss(maps, some_boxes()).backward()
    assert len(maps) == (3 if levels == "all" else 1)
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert len(task.detect(network.eval()(image))) == 2


def test_another_number_of_channels_is_answered_with_the_factors() -> None:
    expected = r"predicts 3 channels where detecting 3 classes needs 8 .*classes=8, head='fcos'"
    with pytest.raises(TaskError, match=expected):
        detection().loss([torch.zeros(2, 3, 12, 16)], some_boxes())
    with pytest.raises(TaskError, match=expected):
        detection().metrics(torch.device("cpu")).update([torch.zeros(2, 3, 12, 16)], some_boxes())


def test_a_misspelt_option_is_answered_with_the_right_one() -> None:
    with pytest.raises(SuiteError, match="Did you mean 'nms_iou'"):
        detection(nms_iuo=0.5)
