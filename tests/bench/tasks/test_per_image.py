"""What scorers keep of each image: the scores computed from it are the reported ones, to the digit."""

import numpy as np
import pandas as pd
import pytest
import torch

from skipbench.bench.data import Boxes, DataInfo
from skipbench.bench.data.loading import collate
from skipbench.bench.records.metrics import percentage
from skipbench.bench.tasks import METRICS, TASKS, Scorer, TaskError, create_task, register_metric
from skipbench.bench.tasks.detection.head import Detections
from skipbench.bench.tasks.detection.metrics import DetectionScorer
from skipbench.bench.tasks.matching import THRESHOLDS, matched
from skipbench.bench.testing.tasks import Case, make_case

CPU = torch.device("cpu")
RECALLS = np.linspace(0, 1, 101)
KINDS = ("untrained", "noisy", "perfect", "shifted")
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module", params=["segmentation", "pose", "detection"])
def case(request: pytest.FixtureRequest) -> Case:
    """A task's example with outputs of several kinds."""
    torch.manual_seed(0)
    return make_case(TASKS[request.param], TASKS[request.param].scorers)


def passed(case: Case, kind: str, chosen: list[int], batch_size: int = 5) -> tuple[dict[str, float], Frames]:
    """Return the scores of these images alone, and the tables of all."""
    metrics = case.task.metrics(CPU)
    for start in range(0, len(chosen), batch_size):
        part = chosen[start : start + batch_size]
        outputs = [output[part] for output in case.outputs[kind]]
        metrics.update(outputs, {key: value[part] for key, value in case.batch.items()})
    return metrics.compute(), {name: pd.DataFrame(columns) for name, columns in metrics.per_image().items()}


def resampled(tables: Frames, images: list[int]) -> Frames:
    """Return the tables as they would be if the split had these images, of which one may come twice."""
    return {
        name: pd.concat([table[table.image == old].assign(image=new) for new, old in enumerate(images)])
        for name, table in tables.items()
    }


def segmentation(tables: Frames) -> dict[str, float]:
    sums = tables["classes"].groupby("class").sum()
    regions, edges = sums[sums.true > 0].astype(float), sums[sums.boundary_true > 0].astype(float)
    iou = regions.right / (regions.true + regions.found - regions.right)
    precision = edges.boundary_found_right / edges.boundary_found.clip(lower=1)
    recall = edges.boundary_true_found / edges.boundary_true
    boundary = (2 * precision * recall / (precision + recall)).fillna(0)
    dice = 2 * regions.right / (regions.true + regions.found)
    by_size = tables["objects"].groupby("size").iou
    apart = tables["merges"].sum()
    return {
        **{f"iou/{name}": value for name, value in iou.items()},
        **{f"dice/{name}": value for name, value in dice.items()},
        **{f"boundary_f/{name}": value for name, value in boundary.items()},
        **{f"miou_by_size/{name}": sum(each) / len(each) for name, each in by_size},
        "miou": iou.mean(),
        "dice": dice.mean(),
        "boundary_f": boundary.mean(),
        "merges": apart.merges / apart.objects,
        "rand_error": 1 - 2 * apart.pairs_both / (apart.pairs_true + apart.pairs_found),
    }


def pose(tables: Frames) -> dict[str, float]:
    joints, people = tables["joints"], tables["people"].assign(group="person")
    with_length = joints[joints.error_share.notna()]
    precision = curves(people.assign(neutral=0), "group", {"person": len(people)})["person"]
    return {
        **{f"pck@{limit}": (with_length.error_share <= limit).mean() for limit in (0.05, 0.1, 0.2)},
        **{f"pck@0.1/{name}": (each.error_share <= 0.1).mean() for name, each in with_length.groupby("joint")},
        **{
            f"pck@0.1_by_{by}/{name}": (each.error_share <= 0.1).mean()
            for by in ("visibility", "size")
            for name, each in with_length.groupby(by)
        },
        "error_px": joints.error_px.mean(),
        **{f"error_px_by_visibility/{name}": each.error_px.mean() for name, each in joints.groupby("visibility")},
        "oks_ap": precision.mean(),
        "oks_ap50": precision[0].mean(),
        "oks_ap75": precision[5].mean(),
    }


def detection(tables: Frames) -> dict[str, float]:
    found, boxes = tables["detections"], tables["truths"].groupby("class").boxes.sum()
    rank = found.groupby(["image", "class"]).cumcount()
    precision = curves(found[rank < 100], "class", boxes.to_dict())
    recall = {
        most: [
            [rows.right.to_numpy() >> bit & 1 for bit in range(10)]
            for rows in each_class(found[rank < most], boxes)
        ]
        for most in (100, 1000)
    }
    each = [precision[name] for name in boxes.index]
    return {
        "ap": np.mean(each),
        "ap50": np.mean([curve[0] for curve in each]),
        "ap75": np.mean([curve[5] for curve in each]),
        **{f"ap/{name}": curve.mean() for name, curve in precision.items()},
        **{
            f"ar{most}": np.mean([np.sum(bits, 1) / count for bits, count in zip(right, boxes, strict=True)])
            for most, right in recall.items()
        },
    }


def each_class(found: pd.DataFrame, boxes: pd.Series) -> list[pd.DataFrame]:
    return [found[found["class"] == name] for name in boxes.index]


def curves(found: pd.DataFrame, by: str, truths: dict[str, int]) -> dict[str, np.ndarray]:
    """Return the interpolated precision (threshold, recall) of each group, as pycocotools accumulates it."""
    precisions = {}
    for name, count in truths.items():
        rows = found[found[by] == name].sort_values("score", ascending=False, kind="stable")
        precision = np.zeros((len(THRESHOLDS), len(RECALLS)))
        for bit in range(len(THRESHOLDS)):
            counted = rows[(rows.neutral.to_numpy() >> bit & 1) == 0]
            right = (counted.right.to_numpy() >> bit & 1).cumsum()
            shares = right / (np.arange(len(right)) + 1 + np.spacing(1))
            highest = np.maximum.accumulate(shares[::-1])[::-1]
            places = np.searchsorted(right / count, RECALLS, side="left")
            reached = places < len(right)
            precision[bit, reached] = highest[places[reached]]
        precisions[name] = precision
    return precisions


RECOMPUTED = {"segmentation": segmentation, "pose": pose, "detection": detection}
LEFT_OUT = ("ap_by_size/", "ar_by_size/", "ar1000_by_size/")  # other boxes are ignored at each size


def same(name: str, found: float, told: float) -> bool:
    """Return whether two scores are equal: ratios of counts to the bit, means but for the order of the sum."""
    is_ratio = name.startswith(("iou/", "dice/", "boundary_f/", "pck@"))
    return found == (told if is_ratio else pytest.approx(told, rel=1e-14, abs=0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_scores_of_the_split_follow_to_the_digit(case: Case, kind: str) -> None:
    scores, tables = passed(case, kind, list(range(len(case.batch["image"]))))
    told = {name: value for name, value in scores.items() if not name.startswith(LEFT_OUT)}
    found = RECOMPUTED[case.task.name](tables)
    assert found.keys() == told.keys()
    for name, value in told.items():
        assert same(name, found[name], value), name


@pytest.mark.parametrize("kind", ["untrained", "noisy"])
def test_the_scores_of_a_resample_follow_too(case: Case, kind: str) -> None:
    everything = list(range(len(case.batch["image"])))
    images = np.random.default_rng(0).choice(everything, len(everything)).tolist()
    assert len(set(images)) < len(images)
    told, _ = passed(case, kind, images)
    _, tables = passed(case, kind, everything)
    found = RECOMPUTED[case.task.name](resampled(tables, images))
    for name, value in told.items():
        if not name.startswith(LEFT_OUT):
            assert same(name, found[name], value), name


def test_the_tables_are_the_same_whatever_the_batches(case: Case) -> None:
    everything = list(range(len(case.batch["image"])))
    (_, one), (_, other) = (passed(case, "noisy", everything, batch_size) for batch_size in (5, 12))
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name])


def test_ignored_boxes_and_equal_scores_are_matched_as_coco_matches_them() -> None:
    info = DataInfo("streets", (96, 96), {}, "streets", (Boxes(("car", "person")),), size_limits=(16.0, 32.0))
    random = np.random.default_rng(0)
    scorer = DetectionScorer(create_task("detection", info), CPU)
    for count in (5, 0, 9, 1, 7, 12):
        corners = random.uniform(0, 60, (count, 2))
        boxes = np.concatenate([corners, corners + random.uniform(4, 50, (count, 2))], 1)
        labels = random.integers(0, 2, count)
        near = np.repeat(boxes, 3, 0) + random.normal(0, 2, (3 * count, 4))
        found = Detections(
            torch.tensor(near).float(),
            torch.tensor(np.repeat(labels, 3)),
            torch.tensor(random.random(3 * count).round(1)).float(),  # many are equal
        )
        truth = {"boxes": torch.tensor(boxes).float(), "labels": torch.tensor(labels)}
        scorer.add([found], collate([truth | {"ignored": torch.tensor(random.random(count) < 0.3)}]))
    told = {name: value for name, value in scorer.compute().items() if not name.startswith(LEFT_OUT)}
    tables = {name: pd.DataFrame(columns) for name, columns in scorer.per_image().items()}
    assert tables["detections"].neutral.any()
    assert detection(tables) == pytest.approx(told, rel=1e-14, abs=0)


def test_matches_by_hand() -> None:
    overlaps = np.array([[0.8, 0.6, 0.0], [0.9, 0.2, 0.7], [0.0, 0.55, 0.0], [0.4, 0.4, 0.4]])
    right, neutral = matched(overlaps, np.array([False, False, True]))
    assert [bin(bits) for bits in right] == [
        "0b1111111",
        "0b110000000",
        "0b11",
        "0b0",
    ]  # .50 to .80, .85 and .90 ...
    assert [bin(bits) for bits in neutral] == [
        "0b0",
        "0b11111",
        "0b0",
        "0b0",
    ]  # up to .70, where the first is taken


def test_nothing_seen_leaves_empty_tables(case: Case) -> None:
    _, tables = passed(case, "noisy", [])
    assert all(len(table) == 0 and "image" in table for table in tables.values())


class Twice(Scorer):
    """Has a table that segmentation has, too."""

    scores = (percentage("twice", "Twice"),)

    def update(self, outputs, batch):
        pass

    def compute(self):
        return {}

    def per_image(self):
        return {"classes": {"image": np.arange(2)}}


def test_a_plugged_in_table_needs_a_name_of_its_own_and_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    register_metric("segmentation")(Twice)
    task = TASKS["segmentation"](TASKS["segmentation"].example().info)
    with pytest.raises(TaskError, match="Twice has a table 'classes', as another scorer does: rename it"):
        task.metrics(CPU).per_image()
    monkeypatch.setattr(Twice, "per_image", lambda self: {"own": {"share": np.ones(2)}})
    with pytest.raises(TaskError, match="the table 'own' of Twice needs a column 'image'"):
        task.metrics(CPU).per_image()
