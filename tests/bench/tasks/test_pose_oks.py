"""OKS-AP against pycocotools and against cases counted by hand."""

import math

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params
from torch import Tensor

from skipbench.bench.tasks.pose.people import People
from skipbench.bench.tasks.pose.scores import OksScore, sigmas

NAN = math.nan
PERSON = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
)
MOUSE = ("snout", "left_ear", "right_ear")


def test_a_persons_sigmas_are_cocos() -> None:
    assert sigmas(tuple(PERSON.split())) == pytest.approx(Params("keypoints").kpt_oks_sigmas, abs=1e-12)
    assert sigmas(MOUSE) == [0.1] * 3  # a mouse's ears are not a person's


def score(*batches: tuple[Tensor, Tensor, Tensor], joints: tuple[str, ...] = MOUSE) -> dict[str, float]:
    """Return the scores of batches of true joints (N, P, J, 2), predicted ones, and heights (N, P, J)."""
    collected = OksScore(joints)
    for truth, found, heights in batches:
        collected.add(found, heights, People(truth, truth.isfinite().all(-1)))
    return collected.compute()


def one(
    truth: list[tuple[float, float]], found: list[tuple[float, float]], height: float = 1.0
) -> tuple[Tensor, ...]:
    places = torch.tensor([[[truth]], [[found]]], dtype=torch.float64)
    return places[0], places[1], torch.full((1, 1, len(truth)), height)


def test_scores_equal_a_case_counted_by_hand() -> None:
    # 40 px long: the area is 400 px^2, and a joint d px off has a similarity of exp(-d^2 / (2 400 .2^2)).
    off = math.sqrt(-32 * math.log(0.72))
    person = [(10.0, 10.0), (50.0, 10.0), (NAN, NAN)]
    near = [(10.0, 10.0 + off), (50.0 - off, 10.0), (NAN, NAN)]
    assert score(one(person, near)) == pytest.approx({"oks_ap": 0.5, "oks_ap50": 1, "oks_ap75": 0})  # .50 to .70
    assert score(one(person, person)) == {"oks_ap": 1, "oks_ap50": 1, "oks_ap75": 1}
    half = score(one(person, near, 0.9), one(person, person, 0.1))  # at .75 and above the surer person is wrong
    precision_from_75 = 51 / 101 * 0.5  # 1 of 2 right, up to a recall of one half
    assert half["oks_ap75"] == pytest.approx(precision_from_75)


def test_people_without_extent_or_not_looked_for_count_nowhere() -> None:
    single = one([(10.0, 10.0), (NAN, NAN), (NAN, NAN)], [(40.0, 40.0), (NAN, NAN), (NAN, NAN)])
    unsought = one([(10.0, 10.0), (50.0, 10.0), (50.0, 50.0)], [(NAN, NAN)] * 3)
    assert score(single, unsought) == {}
    assert score() == {}


@pytest.mark.parametrize("joints", [MOUSE, tuple(PERSON.split())], ids=["mouse", "person"])
def test_scores_equal_pycocotools(joints: tuple[str, ...]) -> None:
    generator = np.random.default_rng(0)
    batches = []
    for people in (1, 3, 2):
        truth = generator.uniform(10, 150, (4, people, len(joints), 2))
        found = truth + generator.normal(0, 1, truth.shape) * generator.choice([1, 4, 15], (4, people, 1, 1))
        truth[generator.random(truth.shape[:3]) < 0.3] = NAN
        found[np.isnan(truth)] = NAN
        batches.append((truth, found, generator.random(truth.shape[:3])))
    mine = score(*(tuple(torch.from_numpy(each) for each in batch) for batch in batches), joints=joints)
    reference = COCOeval(*_as_coco(batches), "keypoints")
    reference.params.kpt_oks_sigmas = np.array(sigmas(joints))
    reference.params.areaRng, reference.params.areaRngLbl = [[0, 1e10]], ["all"]
    reference.evaluate()
    reference.accumulate()
    precision = reference.eval["precision"][..., 0, 0, 0]
    expected = {"oks_ap": precision.mean(), "oks_ap50": precision[0].mean(), "oks_ap75": precision[5].mean()}
    assert 0.05 < expected["oks_ap"] < 0.95
    assert mine == pytest.approx(expected, abs=1e-9)


def _as_coco(batches: list[tuple[np.ndarray, ...]]) -> tuple[COCO, COCO]:
    truths, founds, image = [], [], 0
    for truth, found, heights in batches:
        for n in range(len(truth)):
            image += 1
            for f in range(truth.shape[1]):
                known = ~np.isnan(truth[n, f, :, 0])
                if known.sum() < 2:
                    continue
                side = np.ptp(truth[n, f][known], axis=0).max()
                common = {"image_id": image, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
                for keep, points, more in (
                    (truths, truth, {"area": side**2 / 4}),
                    (founds, found, {"area": 1, "score": float(heights[n, f][known].mean())}),
                ):
                    keypoints = np.column_stack([np.nan_to_num(points[n, f]), 2 * known]).ravel().tolist()
                    what = {"id": len(keep) + 1, "num_keypoints": int(known.sum()), "keypoints": keypoints}
                    keep.append({**common, **what, **more})
    return tuple(_dataset(each, image) for each in (truths, founds))


def _dataset(annotations: list[dict], images: int) -> COCO:
    dataset = COCO()
    dataset.dataset = {
        "images": [{"id": image} for image in range(1, images + 1)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": annotations,
    }
    dataset.createIndex()
    return dataset
