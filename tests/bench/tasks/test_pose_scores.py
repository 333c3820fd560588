"""PCK and error in px: cases counted by hand, and a slow loop over joints."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from skipbench.bench.data import DataInfo, Joints
from skipbench.bench.tasks.pose.people import People
from skipbench.bench.tasks.pose.scores import JointScore

INFO = DataInfo(
    "walkers",
    (120, 160),
    {"train": 1, "val": 1, "test": 1},
    "walkers",
    (Joints(("head", "hand", "foot")),),
    size_limits=(20, 100),
)
NAN = math.nan


def scores(*batches: tuple[Tensor, Tensor, Tensor], info: DataInfo = INFO) -> dict[str, float]:
    """Return the scores of (joints, visibility, prediction) of several batches."""
    collected = JointScore(info)
    for joints, visibility, prediction in batches:
        collected.add(prediction, People.of({"joints": joints, "visibility": visibility}), visibility)
    return collected.compute()


def one(joints: list[tuple[float, float]], seen: list[int], found: list[tuple[float, float]]) -> tuple[Tensor, ...]:
    """Return a batch of one image that shows one person."""
    places = torch.tensor([[[joints]], [[found]]], dtype=torch.float32)
    return places[0], torch.tensor([[seen]], dtype=torch.uint8), places[1]


def test_scores_equal_a_case_counted_by_hand() -> None:
    # Two people, the box of the first 100 px long, that of the second 60 px: its foot is not annotated.
    first = one([(10, 10), (110, 10), (50, 40)], [2, 1, 2], [(10, 15), (110, 20), (50, 60.5)])
    second = one([(10, 10), (10, 70), (NAN, NAN)], [2, 2, 0], [(13, 10), (10, 70), (NAN, NAN)])
    assert scores(first, second) == pytest.approx(
        {
            "pck@0.05": 3 / 5,  # errors 5, 10, 20.5 of 100 and 3, 0 of 60: two lie exactly on the threshold
            "pck@0.1": 4 / 5,
            "pck@0.2": 4 / 5,
            "error_px": (5 + 10 + 20.5 + 3 + 0) / 5,
            "pck@0.1/head": 1.0,
            "pck@0.1/hand": 1.0,
            "pck@0.1/foot": 0.0,
            "pck@0.1_by_visibility/visible": 3 / 4,
            "pck@0.1_by_visibility/occluded": 1.0,
            "error_px_by_visibility/visible": (5 + 20.5 + 3 + 0) / 4,
            "error_px_by_visibility/occluded": 10.0,
            "pck@0.1_by_size/medium": 1.0,
            "pck@0.1_by_size/large": 2 / 3,  # 100 px long is large already
        },
        abs=1e-12,
    )


def test_the_reference_joints_distance_takes_the_boxs_place() -> None:
    info = replace(INFO, annotations=(replace(INFO[Joints], reference=(1, 2)),))
    known = one([(0, 0), (60, 0), (60, 50)], [2, 2, 1], [(0, 5), (60, 10), (60, 61)])  # 50 px long
    values = scores(known, info=info)
    assert [values[f"pck@{threshold}"] for threshold in (0.05, 0.1, 0.2)] == [0, 1 / 3, 2 / 3]
    assert values["pck@0.1_by_size/medium"] == 1 / 3  # its size is the box's longer side still


@pytest.mark.parametrize("seen", [[2, 2, 0], [2, 0, 0]])
def test_a_person_without_a_length_has_an_error_but_no_pck(seen: list[int]) -> None:
    batch = one([(10, 10), (40, 10), (40, 10)], seen, [(10, 12), (40, 12), (40, 12)])
    values = scores(batch, info=replace(INFO, annotations=(replace(INFO[Joints], reference=(1, 2)),)))
    assert values == {"error_px": 2, "error_px_by_visibility/visible": 2}


@pytest.mark.parametrize("joints", [[(10, 10), (NAN, NAN), (NAN, NAN)], [(10, 10), (10, 10), (10, 10)]])
def test_a_person_without_extent_has_no_pck(joints: list[tuple[float, float]]) -> None:
    values = scores(one(joints, [2, 2, 2], [(10, 10), (10, 10), (10, 10)]))
    assert values == {"error_px": 0, "error_px_by_visibility/visible": 0}


def test_joints_of_visibility_0_or_not_looked_for_count_nowhere() -> None:
    batch = one([(10, 10), (50, 10), (90, 10)], [2, 2, 0], [(10, 10), (NAN, NAN), (0, 0)])
    values = scores(batch)
    assert (values["pck@0.1"], values["error_px"]) == (1, 0)
    assert "pck@0.1/hand" not in values
    assert "pck@0.1/foot" not in values


def test_nothing_seen_has_no_score() -> None:
    assert scores() == {}


def test_scores_equal_a_slow_loop_over_joints() -> None:
    random = np.random.default_rng(0)
    batches = []
    for people in (1, 3, 2):
        joints = random.uniform(0, 160, (4, people, 3, 2)) * random.choice([0.1, 0.5, 1], (4, people, 1, 1))
        visibility = random.integers(0, 3, joints.shape[:3])
        found = joints + random.normal(0, 4, joints.shape)
        joints[(visibility == 0) & (random.random(visibility.shape) < 0.5)] = NAN  # or anywhere
        batches.append((joints.astype(np.float32), visibility.astype(np.uint8), found.astype(np.float32)))
    found_scores = scores(*(tuple(torch.from_numpy(each) for each in batch) for batch in batches))
    assert found_scores == pytest.approx(_slow_scores(batches), abs=1e-6)


def _slow_scores(batches: list[tuple[np.ndarray, ...]]) -> dict[str, float]:
    """Count joint by joint, as the definition says."""
    counted: dict[str, list[float]] = {}
    for joints, visibility, found in batches:
        for n, f in np.ndindex(joints.shape[:2]):
            known = joints[n, f][visibility[n, f] > 0]
            side = (known.max(0) - known.min(0)).max() if len(known) else 0
            size = "small" if side < 20 else "medium" if side < 100 else "large"
            for j in np.flatnonzero(visibility[n, f]):
                error = math.dist(joints[n, f, j], found[n, f, j])
                seen = ("", "occluded", "visible")[visibility[n, f, j]]
                for key in ("error_px", f"error_px_by_visibility/{seen}"):
                    counted.setdefault(key, []).append(error)
                for share in (0.05, 0.1, 0.2) if side else ():
                    parts = [f"/{INFO[Joints].names[j]}", f"_by_visibility/{seen}", f"_by_size/{size}"]
                    for part in ["", *parts] if share == 0.1 else [""]:
                        counted.setdefault(f"pck@{share}{part}", []).append(error <= share * side)
    return {key: float(np.mean(values)) for key, values in counted.items()}
