"""Pose: targets against a slow loop, the loss at its known values, joints found again between the pixels."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from skipbench import archs
from skipbench.bench.data import DataInfo, Joints, open_data
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.errors import SuiteError
from skipbench.bench.tasks import TaskError, create_task
from skipbench.bench.tasks.pose import Pose, PoseOptions
from skipbench.bench.tasks.pose.heatmaps import draw, find_peaks

JOINTS = ("head", "left_hand", "right_hand")
INFO = DataInfo(
    "walkers",
    (48, 80),
    {"train": 1, "val": 1, "test": 1},
    "walkers",
    (Joints(JOINTS, bones=((0, 1), (0, 2))),),
)
NAN = math.nan


def pose(info: DataInfo = INFO, **options: Any) -> Pose:
    return Pose(info, PoseOptions(**options))


def batch_of(*images: list[list[tuple[float, float]]]) -> Batch:
    """Return a batch of images, each a list of people, each a list of joints; NaN: not annotated."""
    joints = [torch.tensor(people, dtype=torch.float32).view(-1, len(JOINTS), 2) for people in images]
    return collate([{"joints": each, "visibility": 2 * each.isfinite().all(-1).byte()} for each in joints])


def slow_heatmaps(batch: Batch, size: tuple[int, int], stride: float, sigma: float = 1.0) -> Tensor:
    """Return what `draw` should, pixel by pixel in plain Python."""
    N, P, J = batch["visibility"].shape
    heatmaps = torch.zeros(N, J, *size)
    for n, p, j, row, column in np.ndindex(N, P, J, *size):
        if batch["visibility"][n, p, j]:
            x, y = (value / stride for value in batch["joints"][n, p, j].tolist())
            height = math.exp(-((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2) / (2 * sigma**2))
            heatmaps[n, j, row, column] = max(heatmaps[n, j, row, column].item(), height)
    return heatmaps


TWO = batch_of(
    [[(10, 9), (25.3, 30.7), (61, 44)], [(70.2, 20.1), (NAN, NAN), (5, 2)]],  # two people
    [[(33, 17), (NAN, NAN), (79, 1)]],
)
WHOLE = torch.ones(1, 1, 12, 20, dtype=torch.bool)


@pytest.mark.parametrize("sigma", [1.0, 1.7])
def test_targets_equal_a_slow_loop(sigma: float) -> None:
    drawn = draw(TWO["joints"] / 4, TWO["visibility"] > 0, (12, 20), sigma)
    torch.testing.assert_close(drawn, slow_heatmaps(TWO, (12, 20), 4, sigma))
    assert drawn[1, 1].eq(0).all()  # no such joint in that image


def test_a_target_is_one_where_a_joint_lies_on_a_pixels_centre() -> None:
    drawn = draw(torch.tensor([[[[3.5, 7.5]]]]), torch.ones(1, 1, 1, dtype=torch.bool), (12, 20), 1.0)
    assert drawn[0, 0, 7, 3] == 1
    assert drawn.max() == 1


def test_the_loss_vanishes_on_a_perfect_prediction_at_any_stride() -> None:
    perfect = [slow_heatmaps(TWO, (12, 20), 4).requires_grad_(), slow_heatmaps(TWO, (6, 10), 8).requires_grad_()]
    loss = pose().loss(perfect, TWO)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert all(each.grad.abs().max() < 1e-6 for each in perfect)


def test_the_loss_is_the_squared_error_over_that_of_one_gaussian_and_a_mean_over_predictions() -> None:
    task, target = pose(sigma=1.5), slow_heatmaps(TWO, (12, 20), 4, 1.5)
    prediction = torch.rand(target.shape, generator=torch.Generator().manual_seed(0))
    by_hand = ((prediction - target) ** 2).sum() / (2 * 3) / (math.pi * 1.5**2)
    assert task.loss([prediction], TWO).item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert task.loss([prediction, target], TWO).item() == pytest.approx(by_hand.item() / 2, rel=1e-5)


def test_an_empty_prediction_costs_one_per_joint() -> None:
    batch = batch_of([[(40, 24), (NAN, NAN), (NAN, NAN)]])
    assert pose().loss([torch.zeros(1, 3, 12, 20)], batch).item() == pytest.approx(1 / 3, rel=1e-3)


def test_joints_of_visibility_0_are_no_target_and_hidden_ones_are() -> None:
    empty, joints = torch.zeros(1, 3, 12, 20), TWO["joints"][1:, :1]
    losses = [
        pose().loss([empty], {"joints": joints, "visibility": torch.full((1, 1, 3), value, dtype=torch.uint8)})
        for value in (0, 1, 2)
    ]
    assert losses[0] == 0
    assert losses[1] == losses[2] > 0.3


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
def test_an_exact_gaussian_is_found_wherever_it_lies_in_the_map(sigma: float) -> None:
    x, y = torch.meshgrid(torch.arange(0.02, 20, 0.23), torch.arange(0.02, 12, 0.19), indexing="ij")
    points = torch.stack([x, y], -1).view(-1, 1, 1, 2)  # up to the very border
    heatmaps = draw(points, torch.ones(points.shape[:3], dtype=torch.bool), (12, 20), sigma)
    found = find_peaks(0.3 * heatmaps, WHOLE.expand_as(heatmaps), "taylor")[0]  # whatever its height
    assert (found - points[:, 0]).abs().max() < 0.01


def test_an_elongated_gaussian_across_the_axes_is_found_too() -> None:
    along, across = torch.meshgrid(torch.arange(20) - 9.2, torch.arange(12) - 5.4, indexing="xy")
    heatmap = torch.exp(-((along + across) ** 2) / 8 - (along - across) ** 2 / 4)
    found = find_peaks(heatmap[None, None], WHOLE, "taylor")[0]
    torch.testing.assert_close(found, torch.tensor([[[9.7, 5.9]]]), atol=1e-3, rtol=0)


def test_the_hourglass_rule_moves_a_quarter_towards_the_higher_neighbour() -> None:
    heatmaps = torch.zeros(1, 3, 12, 20)
    heatmaps[0, 0, 5, 8], heatmaps[0, 0, 5, 9], heatmaps[0, 0, 4, 8] = 1, 0.5, 0.1  # right and up
    heatmaps[0, 1, 5, 8] = 1  # neighbours alike
    heatmaps[0, 2, 0, 19], heatmaps[0, 2, 0, 18] = 1, 0.5  # in the corner
    found = find_peaks(heatmaps, WHOLE.expand(1, 3, 12, 20), "quarter")[0]
    assert found[0].tolist() == [[8.75, 5.25], [8.5, 5.5], [19.5, 0.5]]


@pytest.mark.parametrize("subpixel", ["taylor", "quarter"])
@pytest.mark.parametrize("value", [0.0, -3.0, 1e30])
def test_a_flat_map_gives_the_first_pixel_of_the_region(value: float, subpixel: Any) -> None:
    region = torch.zeros(1, 1, 12, 20, dtype=torch.bool)
    region[..., 3:, 7:] = True
    assert find_peaks(torch.full((1, 1, 12, 20), value), region, subpixel)[0].tolist() == [[[7.5, 3.5]]]


@pytest.mark.parametrize("size", [(12, 20), (2, 2), (1, 3)])
def test_a_joint_found_in_noise_lies_in_the_highest_pixel(size: tuple[int, int]) -> None:
    heatmaps = torch.randn(50, 3, *size, generator=torch.Generator().manual_seed(0))
    found = find_peaks(heatmaps, torch.ones_like(heatmaps, dtype=torch.bool), "taylor")[0]
    best = heatmaps.flatten(2).argmax(2)
    middle = torch.stack([best % size[1], best // size[1]], -1) + 0.5
    assert (found - middle).abs().max() <= 0.5


def test_perfect_heatmaps_give_the_joints_back_in_image_pixels() -> None:
    found = pose().decode(slow_heatmaps(TWO, (12, 20), 4), TWO)
    torch.testing.assert_close(found, TWO["joints"], equal_nan=True, atol=0.02, rtol=0)


def test_a_map_covers_the_image_also_where_its_size_is_no_multiple_of_the_stride() -> None:
    batch = batch_of([[(77, 45), (30, 3), (40, 24)]])
    points = batch["joints"] / torch.tensor([78 / 20, 46 / 12])
    found = pose(replace(INFO, size=(46, 78))).decode(draw(points, batch["visibility"] > 0, (12, 20), 1.0), batch)
    torch.testing.assert_close(found, batch["joints"], atol=0.02, rtol=0)


def test_each_of_two_entangled_people_has_their_own_joints() -> None:
    """All maxima are alike, but one that lies on a pixel's centre looks higher than one on a corner."""
    on_centres, on_corners = [(22.0, 22.0), (42.0, 30.0), (50.0, 14.0)], [(36.0, 24.0), (24.0, 36.0), (28.0, 16.0)]
    batch = batch_of([on_centres, on_corners])
    for region in ("auto", "person", "image"):
        found = pose(region=region).decode(slow_heatmaps(batch, (12, 20), 4), batch)
        torch.testing.assert_close(found, batch["joints"], atol=0.1, rtol=0)


def test_a_person_is_looked_for_in_their_grown_box_or_in_the_whole_image() -> None:
    alone = batch_of([[(8, 8), (24, 8), (8, 24)]])  # its box ends at 24 + 16 / 4 = 28, pixel 6
    both = batch_of([[(8, 8), (24, 8), (8, 24)], [(NAN, NAN), (76, 44), (60, 44)]])
    heatmaps = torch.zeros(1, 3, 12, 20)
    heatmaps[0, 0, 6, 6], heatmaps[0, 0, 6, 7] = 0.5, 0.9  # the higher one lies past the box
    inside, past = [26.0, 26.0], [30.0, 26.0]
    expected = {("person", 1): inside, ("person", 2): inside, ("image", 1): past, ("image", 2): past}
    expected |= {("auto", 1): past, ("auto", 2): inside}
    for (region, people), place in expected.items():
        found = pose(region=region).decode(heatmaps, alone if people == 1 else both)
        # The neighbour draws the estimate to the edge between the two.
        torch.testing.assert_close(found[0, 0, 0], torch.tensor(place), atol=2, rtol=0)


def test_the_old_name_of_a_region_is_refused_with_the_new_one() -> None:
    with pytest.raises(SuiteError, match=r"^task.region: 'figure' is now called 'person'.$"):
        create_task("pose", INFO, {"region": "figure"})


def test_a_person_of_one_joint_is_not_looked_for_where_its_truth_stands() -> None:
    batch = batch_of([[(40, 24), (NAN, NAN), (NAN, NAN)]])
    heatmaps = slow_heatmaps(batch, (12, 20), 4)
    assert pose(region="person").decode(heatmaps, batch).isnan().all()
    torch.testing.assert_close(
        pose().decode(heatmaps, batch)[0, 0, 0], torch.tensor([40.0, 24.0]), atol=0.02, rtol=0
    )


def test_what_is_found_does_not_depend_on_batch_or_padding() -> None:
    heatmaps = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    together = pose().decode(heatmaps, TWO)
    second = {"joints": TWO["joints"][1:, :1], "visibility": TWO["visibility"][1:, :1]}  # without its padding
    torch.testing.assert_close(pose().decode(heatmaps[1:], second)[0], together[1, :1], equal_nan=True)
    assert together[1, 1].isnan().all()


def test_images_without_people_are_learnt_from_and_have_no_score() -> None:
    batch = {"joints": torch.zeros(2, 0, 3, 2), "visibility": torch.zeros(2, 0, 3, dtype=torch.uint8)}
    metrics = pose().metrics(torch.device("cpu"))
    metrics.update([torch.rand(2, 3, 12, 20)], batch)
    assert metrics.compute() == {}
    ones = torch.ones(2, 3, 12, 20)
    assert pose().loss([ones], batch).item() == pytest.approx(12 * 20 / math.pi)


@pytest.mark.parametrize("shape", [(1, 4, 12, 20), (1, 3, 12, 19), (1, 3, 10, 18)])
def test_predictions_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    expected = r"channels of \d+x\d+ pixels for images of 48x80; .*classes=3, head_stride=4, padding='same'"
    with pytest.raises(TaskError, match=expected):
        pose().loss([torch.zeros(shape)], TWO)
    with pytest.raises(TaskError, match=expected):
        pose().decode(torch.zeros(shape), TWO)


def test_data_without_joints_are_refused() -> None:
    with pytest.raises(TaskError, match="joints"):
        pose(replace(INFO, annotations=()))


def test_a_network_for_pose_has_a_channel_per_joint_at_stride_4() -> None:
    assert pose().factors == {"classes": 3, "head": "heatmap", "head_stride": 4}


@pytest.mark.parametrize("model", ["hourglass", "unet"])
def test_a_network_for_pose_starts_from_empty_heatmaps(model: str) -> None:
    torch.manual_seed(0)
    network = archs.create_model(model, encoder="resnet10t", **pose().factors).eval()
    heatmaps = network(torch.randn(2, 3, 48, 80))
    assert heatmaps.shape == (2, 3, 12, 20)
    assert heatmaps.square().mean() < 0.1 * slow_heatmaps(TWO, (12, 20), 4).square().mean()


def test_scenes_can_be_scored_full_marks_for_people_of_any_size() -> None:
    data = open_data("scenes", train=60, val=1, test=1)
    batch = collate([data.train[index] for index in range(60)], Joints.keys)
    task = pose(data.info)
    metrics = task.metrics(torch.device("cpu"))
    metrics.update([draw(batch["joints"] / 4, batch["visibility"] > 0, (24, 24), 1.0)], batch)
    values = metrics.compute()
    assert values["pck@0.1"] > 0.99
    assert {f"pck@0.1_by_size/{size}" for size in ("small", "medium", "large")} < values.keys()
    assert values["error_px"] < 0.1


def test_the_artifact_shows_images_joints_and_lengths() -> None:
    batch = TWO | {"image": torch.arange(2 * 3 * 48 * 80).view(2, 3, 48, 80).to(torch.uint8)}
    joints = replace(INFO[Joints], reference=(0, 1))
    task = pose(replace(INFO, annotations=(joints,)))
    shown = task.artifact([slow_heatmaps(TWO, (12, 20), 4)], batch).arrays()
    assert shown["kind"] == "skeletons"
    assert shown["images"].shape == (2, 48, 80, 3)
    assert shown["images"][1, 2, 3].tolist() == batch["image"][1, :, 2, 3].tolist()
    np.testing.assert_array_equal(shown["truth"], TWO["joints"].numpy())
    np.testing.assert_allclose(shown["prediction"], shown["truth"], atol=0.02)
    np.testing.assert_allclose(shown["lengths"], [[math.hypot(15.3, 21.7), NAN], [NAN, NAN]], rtol=1e-6)
    np.testing.assert_array_equal(shown["visibility"], TWO["visibility"].numpy())
    types = {key: str(shown[key].dtype) for key in ("images", "visibility", "truth", "prediction", "lengths")}
    assert list(types.values()) == ["uint8", "uint8", "float32", "float32", "float32"]
    assert tuple(shown["joints"]) == JOINTS
    assert shown["bones"].tolist() == [[0, 1], [0, 2]]


def test_joints_outside_the_image_are_shown_nowhere() -> None:
    batch = {
        "joints": torch.tensor([[[[8.0, 8.0], [24.0, 8.0], [-5.0, 9.0]]]]),
        "visibility": torch.tensor([[[2, 1, 0]]], dtype=torch.uint8),
        "image": torch.zeros(1, 3, 48, 80, dtype=torch.uint8),
    }
    shown = pose().artifact([torch.rand(1, 3, 12, 20)], batch).arrays()
    for key in ("truth", "prediction"):
        assert np.isnan(shown[key][0, 0]).any(1).tolist() == [False, False, True]
