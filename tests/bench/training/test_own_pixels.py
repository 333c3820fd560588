"""Scores of pose and detection in images' own pixels, stretched, fitted and cropped, of any sizes in one set."""

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from skipbench.archs import create_model
from skipbench.bench.data import Boxes, Data, DataInfo, Joints, open_data
from skipbench.bench.data.loading import collate
from skipbench.bench.data.windows import Window, inner, shown, windows_of
from skipbench.bench.tasks import create_task
from skipbench.bench.tasks.detection import Detection
from skipbench.bench.tasks.pose import Pose
from skipbench.bench.tasks.pose.heatmaps import draw
from skipbench.bench.tasks.view import View
from skipbench.bench.training import Recipe, train
from skipbench.bench.training.windowed import by_view

Size = tuple[int, int]
SEEN = (64, 96)
SIZES = ((150, 200), (200, 150), (64, 96), (97, 301), (48, 40))  # (H, W)
WAYS = ("stretch", "fit", "crop")
JOINTS = ("nose", "tail")
QUICK = Recipe(images=16, batch_size=4, validations=2, device="cpu", precision="32-true", threads=1)


def coco(root: Path, sizes: tuple[Size, ...] = SIZES) -> Path:
    """Write images of these sizes into each split, with objects of two classes and many sizes, and their joints."""
    random = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val", "test"):
        (root / "images" / split).mkdir(parents=True)
        images, annotations = [], []
        for number, (height, width) in enumerate(sizes):
            pixels = random.integers(256, size=(height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
            for _ in range(6):
                sides = np.exp(random.uniform(np.log(6), np.log(0.8 * min(height, width)), 2)).round(1)
                left, top = (random.uniform(0, [width, height] - sides)).round(1)
                nose, tail = [left, top] + sides * [[0.2, 0.3], [0.9, 0.7]] - 0.5
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": int(random.integers(1, 3)),
                        "bbox": [left, top, *sides.tolist()],
                        "area": float(sides.prod()),
                        "iscrowd": 0,
                        "keypoints": [*nose, 2, *tail, 2],
                    }
                )
        categories = [{"id": k, "name": name, "keypoints": JOINTS} for k, name in ((1, "cat"), (2, "dog"))]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"{split}.json").write_text(json.dumps(content))
    return root


def opened(root: Path, resize: str, read: str, **options: Any) -> Data:
    return open_data("coco", root, **{"size": SEEN, "resize": resize, "read": read, "own_pixels": True, **options})


def info(kind: Any, **more: Any) -> DataInfo:
    return DataInfo("planted", SEEN, {}, "", (kind,), **more)


def seen_in(points: Tensor, size: Size, window: Window) -> Tensor:
    """Return where points (..., 2) in px of an image of `size` are in what a window shows at SEEN."""
    part, length = shown(size, window), inner(size, window, SEEN)
    scales = torch.tensor([length[1] / part[1], length[0] / part[0]], dtype=torch.float64)
    return (points - torch.tensor([window.left, window.top])) * scales


def views(size: Size) -> Iterator[tuple[str, View]]:
    pixels = torch.zeros(3, *size, dtype=torch.uint8)
    for way in WAYS:
        yield way, View(pixels, windows_of(way, size, SEEN, 0.5))


def located(task: Pose, view: View, heatmaps: list[Tensor], joints: Tensor) -> Tensor:
    batch = {
        "image": view.pixels[None],
        "joints": joints,
        "visibility": torch.full(joints.shape[:-1], 2, dtype=torch.uint8),
        "extent": torch.tensor([view.extent(SEEN)], dtype=torch.float64),
    }
    return task.locate(task.whole(view, ([each] for each in heatmaps))[-1], batch)[0]


@pytest.mark.parametrize("size", [*SIZES, (400, 33)])
def test_a_joint_comes_back_to_its_place_in_the_image(size: Size) -> None:
    task = Pose(info(Joints(JOINTS)))
    for share in ((0.31, 0.62), (0.07, 0.93), (0.995, 0.99)):
        place = torch.tensor([share[1] * size[1], share[0] * size[0]], dtype=torch.float64)
        joints = torch.stack([place, place.flip(0) * torch.tensor([size[1], size[0]]) / torch.tensor(size)])[
            None, None
        ]
        for way, view in views(size):
            heatmaps = [
                draw(seen_in(joints, size, window) / 4, torch.ones(1, 1, 2, dtype=torch.bool), (16, 24), 1.0)[0]
                for window in view.windows
            ]
            found = located(task, view, [each.float() for each in heatmaps], joints.float())
            stride = max(extent / seen for extent, seen in zip(view.extent(SEEN), (16, 24), strict=True))
            tolerance = 0.1 * stride if len(view.windows) > 1 else 1e-3 * stride  # windows meet between pixels
            assert (found - joints).abs().max() < tolerance, way


def test_what_is_highest_in_the_padding_is_not_found() -> None:
    task, size = Pose(info(Joints(JOINTS))), (50, 50)
    view = View(torch.zeros(3, *size, dtype=torch.uint8), windows_of("fit", size, SEEN, 0.0))
    heatmaps = torch.zeros(2, 16, 24)
    heatmaps[:, 4, 20], heatmaps[:, 3, 5] = 9, 1  # 64 of 96 columns are the image's, 16 of 24
    found = located(task, view, [heatmaps], torch.tensor([[[[10.0, 10.0], [20.0, 20.0]]]]))
    assert found[0, 0].tolist() == [[pytest.approx(5.5 * 4 * 50 / 64), pytest.approx(3.5 * 4 * 50 / 64)]] * 2


def detection_maps(task: Detection, boxes: Tensor, labels: Tensor) -> list[Tensor]:
    """Return what a network that knows these boxes (n, 4), in px of what it sees, gives for one image."""
    levels = [torch.zeros(1, 7, side[0], side[1]) for side in ((2, 3), (4, 6), (8, 12), (16, 24))]
    batch = {"boxes": boxes[None], "labels": labels[None], "ignored": torch.zeros(1, len(boxes), dtype=torch.bool)}
    return task.perfect(levels, batch)


@pytest.mark.parametrize("size", SIZES)
def test_a_box_comes_back_to_its_place_in_the_image(size: Size) -> None:
    task = Detection(info(Boxes(("cat", "dog"))))
    corners = torch.tensor([[0.1, 0.2, 0.3, 0.5], [0.55, 0.6, 0.97, 0.93]], dtype=torch.float64)
    boxes = corners * torch.tensor([size[1], size[0]]).repeat(2)
    for way, view in views(size):
        outputs = []
        for window in view.windows:
            seen = seen_in(boxes.view(2, 2, 2), size, window).view(2, 4)
            whole = ((seen > -1e-6) & (seen < torch.tensor([96, 64, 96, 64]) + 1e-6)).all(1)
            maps = detection_maps(task, seen[whole].float(), torch.tensor([0, 1])[whole])
            outputs.append([level[0] for level in maps])
        (found,) = task.detect(task.whole(view, outputs))
        expected = boxes if way != "crop" else boxes[[any_shows(box, view) for box in boxes]]
        assert len(found.boxes) == len(expected), way
        order = found.labels.argsort()
        torch.testing.assert_close(
            found.boxes[order].double(), expected, atol=2e-3 * max(1, max(size) / 96), rtol=0
        )


def any_shows(box: Tensor, view: View) -> bool:
    return any(
        left <= box[0] and top <= box[1] and box[2] <= left + width and box[3] <= top + height
        for top, left, height, width in view.windows
    )


def test_nothing_is_detected_in_padding() -> None:
    task, size = Detection(info(Boxes(("cat", "dog")))), (50, 50)
    view = View(torch.zeros(3, *size, dtype=torch.uint8), windows_of("fit", size, SEEN, 0.0))
    seen = torch.tensor([[70.0, 10, 90, 30], [50, 10, 80, 30]])  # all in the padding, half in it: 64 columns show
    maps = detection_maps(task, seen, torch.tensor([0, 1]))
    (found,) = task.detect(task.whole(view, [[level[0] for level in maps]]))
    assert found.labels.tolist() == [1] * len(found.labels)
    assert found.boxes[0].tolist() == pytest.approx([50 * 50 / 64, 10 * 50 / 64, 50, 30 * 50 / 64])


@pytest.mark.parametrize("resize", WAYS)
def test_average_precision_is_that_of_pycocotools_on_the_original_annotations(tmp_path: Path, resize: str) -> None:
    root = coco(tmp_path)
    data = opened(root, resize, "boxes", overlap=0.5)
    task: Any = create_task("detection", data.info)
    scorer, found = task.scorers[0](task, torch.device("cpu")), []
    random = torch.Generator().manual_seed(0)
    for index in range(len(SIZES)):
        sample = data.test.whole(index)  # type: ignore[attr-defined]
        size = sample["image"].shape[1:]
        view, outputs = View(sample["image"], windows_of(resize, size, SEEN, 0.5)), []
        for window in view.windows:
            seen = seen_in(sample["boxes"].view(-1, 2, 2), size, window).view(-1, 4).float()
            maps = detection_maps(task, seen.clamp(min=0), sample["labels"])
            for level in maps:
                level[:, :2] = level[:, :2].clamp(-6, 1)  # not so sure that scores tie
            outputs.append([level[0] + 0.15 * torch.randn(level[0].shape, generator=random) for level in maps])
        whole = task.whole(view, outputs)
        scorer.update(whole, collate([sample]))
        (boxes, labels, scores) = task.detect(whole)[0]
        for box, label, score in zip(boxes.tolist(), labels.tolist(), scores.tolist(), strict=True):
            place = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            found.append({"image_id": index, "category_id": label + 1, "bbox": place, "score": score})
    truth = COCO(str(root / "annotations" / "test.json"))
    evaluator = COCOeval(truth, truth.loadRes(found), "bbox")
    small, large = (limit**2 for limit in data.info.limits)
    evaluator.params.areaRng = [[0, 1e10], [0, small], [small, large], [large, 1e10]]
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    values = scorer.compute()
    names = ("ap", "ap50", "ap75", *(f"ap_by_size/{name}" for name in ("small", "medium", "large")))
    for name, expected in zip(names, evaluator.stats, strict=False):
        assert values[name] == pytest.approx(expected, abs=1e-6), name
    assert 0.05 < values["ap"] < 0.95


@pytest.mark.parametrize(("task", "read"), [("detection", "boxes"), ("pose", "keypoints")])
def test_fitted_square_images_of_the_network_s_size_score_as_stretched_ones_bit_for_bit(
    tmp_path: Path, task: str, read: str
) -> None:
    root, found = coco(tmp_path, ((64, 64),) * 6), {}
    ways = {"seen": {"own_pixels": False}, "own": {}, "fit": {"resize": "fit"}}
    for way, options in ways.items():
        data = opened(root, **{"resize": "stretch", "read": read, "size": (64, 64), **options})
        factors = create_task(task, data.info).factors
        build = partial(create_model, "fpn", encoder="test_resnet", width=8, **factors)
        outcome = train(build, data, create_task(task, data.info), QUICK, 0)
        found[way] = {name: value for name, value in outcome.values.items() if name.startswith(("val/", "test/"))}
        limits = outcome.settings["data"]["size_limits_px"]
        assert limits == [64 / 6, 64 / 3]
    assert found["seen"] == found["own"] == found["fit"]
    assert math.isfinite(found["fit"]["test/ap" if task == "detection" else "test/error_px"])


@pytest.mark.parametrize(("task", "read"), [("detection", "boxes"), ("pose", "keypoints")])
@pytest.mark.parametrize("resize", WAYS)
def test_images_of_all_sizes_are_learnt_and_scored_in_one_set(
    tmp_path: Path, resize: str, task: str, read: str
) -> None:
    data = opened(coco(tmp_path), resize, read)
    assert data.info.limits == (97 / 6, 97 / 3), "of the sides 40, 64, 97, 150 and 150"
    factors = create_task(task, data.info).factors
    build = partial(create_model, "fpn", encoder="test_resnet", width=8, **factors)
    outcome = train(build, data, create_task(task, data.info), QUICK, 0)
    rows = outcome.tables["images.joints" if task == "pose" else "images.truths"]
    assert set(rows["image"].tolist()) == set(range(len(SIZES)))
    if task == "pose":
        assert len(rows["image"]) == 2 * 6 * len(SIZES)


def test_windows_come_in_full_batches_whichever_images_they_are_of() -> None:
    counts, seen = (3, 1, 4, 1), list[int]()

    def predict(windows: Tensor) -> list[Tensor]:
        seen.append(len(windows))
        return [windows.float(), windows[:, :1].float()]

    def images() -> Iterator[tuple[View, int]]:
        for number, count in enumerate(counts):
            pixels = torch.full((3, 2, 2 * count), number, dtype=torch.uint8)
            yield View(pixels, [Window(0, 2 * at, 2, 2) for at in range(count)]), number

    for at, (view, number, outputs) in enumerate(by_view(images(), (2, 2), 4, predict)):
        assert number == at == int(view.pixels[0, 0, 0])
        given = [next(outputs)] if number == 2 else list(outputs)  # what is left is passed over
        assert all((each[0] == number).all() for each in given)
        assert len(given) == (1 if number == 2 else counts[number])
    assert seen == [4, 4, 1]
