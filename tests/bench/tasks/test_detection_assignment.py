"""Detection's locations and targets, against FCOS's numbers and a plain transcription of its rule."""

import math

import pytest
import torch
from torch import Tensor

from skipbench import archs
from skipbench.bench.tasks.detection.head import Locations, level_strides, locate
from skipbench.bench.tasks.detection.loss import BACKGROUND, IGNORE_INDEX, Assignment, assign, centre_ness

CPU = torch.device("cpu")
STRIDES = (16, 8, 4)  # coarse to fine, as a network gives its maps


def map_sizes(image: tuple[int, int], strides: tuple[float, ...] = STRIDES) -> list[tuple[int, int]]:
    return [(math.ceil(image[0] / stride), math.ceil(image[1] / stride)) for stride in strides]


def locations_of(image: tuple[int, int], range_per_stride: float = 8) -> Locations:
    return locate(map_sizes(image), image, range_per_stride, CPU)


def assigned(locations: Locations, *boxes: list[float], ignored: tuple[int, ...] = ()) -> Assignment:
    """Assign boxes of one image; the class of a box is its number."""
    labels = torch.arange(len(boxes))
    truth = torch.tensor(boxes, dtype=torch.float32).view(1, -1, 4)
    return assign(locations, truth, labels[None], torch.isin(labels, torch.tensor(ignored))[None], radius=1.5)


@pytest.mark.parametrize("image", [(96, 96), (97, 75), (64, 200), (33, 31), (7, 5), (1, 1)])
@pytest.mark.parametrize("strides", [(32, 16, 8, 4), (64, 32), (4,), (1,)])
def test_strides_are_told_by_the_maps_sizes(image: tuple[int, int], strides: tuple[float, ...]) -> None:
    found = level_strides(map_sizes(image, strides), image)
    assert map_sizes(image, tuple(found)) == map_sizes(image, strides)
    if min(image) > max(strides):  # else one pixel is the whole side, and many a stride gives that
        assert found == list(strides)


def test_strides_that_are_no_powers_of_two_follow_the_finest() -> None:
    assert level_strides([(4, 4), (7, 7), (14, 14), (28, 28)], (98, 98)) == [28, 14, 7, 3.5]
    assert level_strides([(32, 32)], (96, 96)) == [3]


def test_a_networks_own_maps_have_its_strides() -> None:
    factors = {"classes": 8, "head": "fcos_light", "head_stride": None, "outputs": "levels"}
    network = archs.create_model("fpn", encoder_name="test_resnet", width=8, strides=(4, 8, 16, 32), **factors)
    maps = network.eval()(torch.zeros(1, 3, 97, 75))
    assert level_strides([each.shape[-2:] for each in maps], (97, 75)) == [32, 16, 8, 4]


def test_locations_are_the_centres_of_the_maps_pixels() -> None:
    locations = locate([(2, 3)], (7, 10), 8, CPU)
    assert locations.points.tolist() == [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]
    assert locations.strides.tolist() == [4] * 6


def test_levels_have_the_papers_ranges() -> None:
    image = (1024, 1024)
    locations = locate(map_sizes(image, (128, 64, 32, 16, 8)), image, 8, CPU)
    columns = (locations.strides, locations.nearest, locations.farthest)
    levels = sorted(set(zip(*(each.tolist() for each in columns), strict=True)))
    assert levels == [(8, 0, 64), (16, 64, 128), (32, 128, 256), (64, 256, 512), (128, 512, math.inf)]


def test_a_single_level_takes_every_size() -> None:
    locations = locate([(12, 12)], (96, 96), 8, CPU)
    assert set(locations.nearest.tolist()) == {0}
    assert set(locations.farthest.tolist()) == {math.inf}


def by_the_rule(point: Tensor, stride: float, level: tuple[float, float], boxes: Tensor) -> int:
    """Return the number of the box that FCOS gives to a point, or BACKGROUND."""
    x, y = point.tolist()
    best, smallest = BACKGROUND, math.inf
    for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
        left, right = max(x1, centre_x - 1.5 * stride), min(x2, centre_x + 1.5 * stride)
        top, bottom = max(y1, centre_y - 1.5 * stride), min(y2, centre_y + 1.5 * stride)
        farthest = max(x - x1, y - y1, x2 - x, y2 - y)
        if left < x < right and top < y < bottom and level[0] < farthest <= level[1]:
            area = (x2 - x1) * (y2 - y1)
            if area < smallest:
                best, smallest = number, area
    return best


@pytest.mark.parametrize("range_per_stride", [2, 4])
def test_assignment_equals_a_plain_transcription_of_the_rule(range_per_stride: float) -> None:
    image, generator = (50, 71), torch.Generator().manual_seed(0)
    locations = locations_of(image, range_per_stride)
    corners = torch.rand(12, 2, generator=generator) * torch.tensor([50.0, 35.0])
    boxes = torch.cat([corners, corners + 3 + 40 * torch.rand(12, 2, generator=generator)], 1)
    found = assigned(locations, *boxes.tolist())
    limits = {16.0: (8.0 * range_per_stride, math.inf), 8.0: (4.0 * range_per_stride, 8.0 * range_per_stride)}
    limits[4.0] = (0.0, 4.0 * range_per_stride)
    expected = [
        by_the_rule(point, stride, limits[stride], boxes)
        for point, stride in zip(locations.points, locations.strides.tolist(), strict=True)
    ]
    assert found.labels[0].tolist() == expected
    assert len(set(expected)) > 8  # not all is background
    assert torch.equal(found.boxes[found.positive], boxes[found.labels[found.positive]])


def test_an_ambiguous_location_learns_the_smallest_box() -> None:
    locations = locate([(1, 1)], (16, 16), 8, CPU)  # one point, at 8, 8
    large, small = [0.0, 0, 16, 16], [4.0, 4, 14, 14]
    assert assigned(locations, large, small).labels.item() == 1
    assert assigned(locations, small, large).boxes.flatten().tolist() == small


def test_a_location_that_only_an_ignored_box_holds_learns_nothing() -> None:
    locations = locate([(1, 3)], (4, 12), 8, CPU)  # points at x = 2, 6, 10
    found = assigned(locations, [0, 0, 8, 4], [4, 0, 8, 4], ignored=(0,))
    assert found.labels.flatten().tolist() == [IGNORE_INDEX, 1, BACKGROUND]


def test_padding_and_images_without_boxes_are_background() -> None:
    locations = locations_of((32, 32))
    nothing = torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.bool)
    padding = torch.zeros(2, 3, 4), torch.full((2, 3), -1), torch.zeros(2, 3, dtype=torch.bool)
    for truth in (nothing, padding):
        labels = assign(locations, *truth, radius=1.5).labels
        assert labels.shape == (2, 64 + 16 + 4)
        assert (labels == BACKGROUND).all()


def test_centre_ness_is_one_in_the_middle_and_falls_to_the_sides() -> None:
    distances = torch.tensor([[5.0, 3, 5, 3], [1, 3, 4, 3], [1, 2, 4, 8], [0, 3, 4, 3]])
    assert centre_ness(distances).tolist() == pytest.approx([1, 1 / 2, 1 / 4, 0])
