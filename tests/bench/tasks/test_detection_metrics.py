"""AP and AR against pycocotools and against cases counted by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from skipbench.bench.data import Boxes, DataInfo
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.tasks import create_task
from skipbench.bench.tasks.detection.head import Detections
from skipbench.bench.tasks.detection.metrics import DetectionScorer

OBJECTS = ("car", "person", "tram")
LIMITS = (16.0, 32.0)
INFO = DataInfo("streets", (96, 96), {}, "streets", (Boxes(OBJECTS),), size_limits=LIMITS)

Truth = dict[str, Tensor]


def truth(boxes: list[list[float]], labels: list[int], ignored: list[bool] | None = None) -> Truth:
    flags = ignored or [False] * len(labels)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "ignored": torch.tensor(flags, dtype=torch.bool),
    }


def found(boxes: list[list[float]], labels: list[int], scores: list[float]) -> Detections:
    each = truth(boxes, labels)
    return Detections(each["boxes"], each["labels"], torch.tensor(scores))


def scores(detections: list[Detections], truths: list[Truth], batch_size: int = 2) -> dict[str, float]:
    metrics = DetectionScorer(create_task("detection", INFO), torch.device("cpu"))
    for start in range(0, len(truths), batch_size):
        batch: Batch = collate(truths[start : start + batch_size])
        metrics.add(detections[start : start + batch_size], batch)
    return metrics.compute()


def random_image(generator: np.random.Generator, boxes: int) -> tuple[Detections, Truth]:
    """Return boxes, some ignored, and detections: the boxes displaced, some mislabelled, and some from nowhere."""
    corners = generator.uniform(0, 60, (boxes, 2))
    place = np.concatenate([corners, corners + generator.uniform(4, 50, (boxes, 2))], 1)
    labels = generator.integers(0, 2, boxes)  # never a tram
    each = truth(place.tolist(), labels.tolist(), (generator.random(boxes) < 0.2).tolist())
    near = np.repeat(place, 2, 0) + generator.normal(0, 2, (2 * boxes, 4))
    corners = generator.uniform(0, 60, (4, 2))
    guesses = np.concatenate([near, np.concatenate([corners, corners + generator.uniform(4, 50, (4, 2))], 1)])
    kinds = np.concatenate([np.repeat(labels, 2), generator.integers(0, 3, 4)])
    kinds[generator.random(len(kinds)) < 0.1] = 1
    return found(guesses.tolist(), kinds.tolist(), generator.random(len(kinds)).tolist()), each


def coco(images: int, annotations: list[dict[str, Any]]) -> COCO:
    dataset = COCO()
    dataset.dataset = {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": label} for label in range(len(OBJECTS))],
        "annotations": [{**each, "id": number} for number, each in enumerate(annotations, start=1)],
    }
    dataset.createIndex()
    return dataset


def coco_box(image: int, box: Tensor, label: Tensor, **more: float) -> dict[str, Any]:
    x1, y1, x2, y2 = box.tolist()
    place = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    return {"image_id": image, "category_id": int(label), **place, **more}


def reference(detections: list[Detections], truths: list[Truth]) -> dict[str, float]:
    """Return what pycocotools measures; its -1 for what is not defined stays."""
    wanted = [
        coco_box(image, box, label, iscrowd=int(ignored))
        for image, each in enumerate(truths)
        for box, label, ignored in zip(each["boxes"], each["labels"], each["ignored"], strict=True)
    ]
    given = [
        coco_box(image, box, label, score=float(score))
        for image, each in enumerate(detections)
        for box, label, score in zip(*each, strict=True)
    ]
    evaluator = COCOeval(coco(len(truths), wanted), coco(len(truths), given), "bbox")
    small, medium = (limit**2 for limit in LIMITS)
    evaluator.params.areaRng = [[0, 1e10], [0, small], [small, medium], [medium, 1e10]]
    evaluator.params.maxDets = [100, 1000]
    evaluator.evaluate()
    evaluator.accumulate()
    precision, recall = evaluator.eval["precision"][..., 0], evaluator.eval["recall"][..., 0]
    every_recall = evaluator.eval["recall"][..., 1]
    values = {"ap": precision[..., 0], "ap50": precision[0, ..., 0], "ap75": precision[5, ..., 0]}
    values |= {f"ap/{name}": precision[:, :, k, 0] for k, name in enumerate(OBJECTS)}
    values |= {"ar100": recall[..., 0], "ar1000": every_recall[..., 0]}
    for number, size in enumerate(("small", "medium", "large"), start=1):
        values |= {f"ap_by_size/{size}": precision[..., number], f"ar_by_size/{size}": recall[..., number]}
        values[f"ar1000_by_size/{size}"] = every_recall[..., number]
    return {name: each[each > -1].mean() if (each > -1).any() else -1 for name, each in values.items()}


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_pycocotools(seed: int) -> None:
    generator = np.random.default_rng(seed)
    images = [random_image(generator, boxes) for boxes in (5, 0, 9, 1, 7, 0, 12)]
    nothing_found = (found([], [], []), random_image(generator, 3)[1])
    detections, truths = (list(part) for part in zip(*images, nothing_found, strict=True))
    expected = reference(detections, truths)
    assert expected.pop("ap/tram") == -1  # there is none to be found
    assert 0.1 < expected["ap"] < 0.9
    assert min(expected.values()) >= 0
    assert scores(detections, truths) == pytest.approx(expected, abs=1e-9)


SMALL, MEDIUM, LARGE = [10.0, 10, 20, 20], [40.0, 40, 60, 64], [10.0, 30, 60, 90]


def test_scores_equal_a_case_counted_by_hand() -> None:
    wrong = [70.0, 70, 80, 80]  # a small box where nothing is
    detections = found([SMALL, wrong, LARGE], [0, 0, 0], [0.9, 0.8, 0.7])
    ap = (51 * 1 + 50 * 2 / 3) / 101  # precision 1 up to a recall of .5, then 2/3, at 101 recalls
    assert scores([detections], [truth([SMALL, LARGE], [0, 0])]) == pytest.approx(
        {
            "ap": ap,
            "ap50": ap,
            "ap75": ap,
            "ap/car": ap,
            "ap_by_size/small": 1,  # the wrong box comes after the only small one
            "ap_by_size/large": 1,  # to which the wrong box does not belong
            "ar100": 1,
            "ar_by_size/small": 1,
            "ar_by_size/large": 1,
            "ar1000": 1,
            "ar1000_by_size/small": 1,
            "ar1000_by_size/large": 1,
        }
    )


def test_more_than_100_boxes_an_image_count_for_ar_1000_alone() -> None:
    guesses = [[float(x), float(y), x + 4.0, y + 4.0] for x in range(0, 88, 6) for y in range(0, 88, 6)]
    right = guesses[150]  # found as the 151st of 225
    values = scores([found(guesses, [0] * 225, [1 - n / 1000 for n in range(225)])], [truth([right], [0])])
    assert (values["ap"], values["ar100"], values["ar1000"]) == (0, 0, 1)
    assert values["ar1000_by_size/small"] == 1


def test_half_the_width_counts_up_to_an_iou_of_one_half() -> None:
    box, half = [0.0, 0, 40, 40], [0.0, 0, 20, 40]
    values = scores([found([half], [1], [0.5])], [truth([box], [1])])
    assert (values["ap"], values["ap50"], values["ap75"], values["ar100"]) == pytest.approx((0.1, 1, 0, 0.1))


def test_ignored_boxes_are_neither_missed_nor_wrongly_found() -> None:
    each = truth([SMALL, LARGE, MEDIUM], [0, 0, 0], [False, True, True])
    inside = [20.0, 40, 50, 80]  # of the large one, but of an IoU below .5
    with_ignored = scores([found([SMALL, inside], [0, 0], [0.6, 0.9])], [each])
    assert with_ignored == scores([found([SMALL], [0], [0.6])], [truth([SMALL], [0])])
    assert with_ignored["ap"] == pytest.approx(1)


def test_a_box_as_large_as_a_limit_belongs_to_the_larger_size() -> None:
    values = scores([found([], [], [])], [truth([[0, 0, 16, 16], [0, 0, 8, 128]], [0, 0])])
    assert {name for name in values if "size" in name} == {
        f"{score}_by_size/{size}" for score in ("ap", "ar", "ar1000") for size in ("medium", "large")
    }
    assert set(values.values()) == {0}


def test_without_a_box_there_is_no_score() -> None:
    assert scores([found([SMALL], [0], [0.9])], [truth([], [])]) == {}
    assert scores([found([], [], [])], [truth([], [])]) == {}
    assert scores([found([], [], [])], [truth([SMALL], [0], [True])]) == {}


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    scores([found([SMALL], [0], [0.9])], [truth([SMALL], [0])])
    assert capfd.readouterr() == ("", "")
