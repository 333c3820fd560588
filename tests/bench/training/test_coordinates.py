"""Sub-pixel probes: wherever images are moved or resized, masks, instances, boxes and joints go exactly along."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from skipbench.archs.heads import resize
from skipbench.archs.resampling import UPSAMPLERS
from skipbench.bench.data import Boxes, DataInfo, Instances, Joints, Mask, open_data
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.elastic import Elastic

SIZE = (64, 96)
RADIUS = 10.0
TOLERANCE = 0.05  # px
INFO = DataInfo("discs", SIZE, {}, "", (Mask(("a", "b")), Instances(), Boxes(("disc",)), Joints(("middle",))))
UNLIT = {"brightness": 0, "contrast": 0, "saturation": 0}


def coverage(centres: Tensor, size: tuple[int, int], radius: float = RADIUS) -> Tensor:
    """Return how much of each pixel (N, H, W) discs at x, y (N, 2) cover; pixel i covers i to i + 1."""
    y, x = (torch.arange(length) + 0.5 for length in size)
    away = torch.hypot(x - centres[:, :1, None], y[:, None] - centres[:, 1:, None])
    return (radius + 0.5 - away).clamp(0, 1)


def centroid(weights: Tensor) -> Tensor:
    """Return the centre of mass x, y (N, 2) in px of maps (N, H, W)."""
    y, x = (torch.arange(length) + 0.5 for length in weights.shape[-2:])
    total = weights.sum((-2, -1))
    sums = (weights * x).sum((-2, -1)), (weights * y[:, None]).sum((-2, -1))
    return torch.stack([each / total for each in sums], -1)


def discs(count: int, generator: torch.Generator, boxes: bool) -> dict[str, Tensor]:
    """Return a batch of one disc an image, at any fraction of a pixel, with every kind of annotation."""
    centres = torch.rand(count, 2, generator=generator) * 8 + torch.tensor([SIZE[1], SIZE[0]]) / 2 - 4
    image = (255 * coverage(centres, SIZE)).round().to(torch.uint8)
    mask = (coverage(centres, SIZE) > 0.5).long()
    batch = {
        "image": image[:, None].repeat(1, 3, 1, 1),
        "mask": mask,
        "instances": mask.to(torch.uint8),
        "joints": centres[:, None, None],
        "visibility": torch.full((count, 1, 1), 2, dtype=torch.uint8),
    }
    if boxes:
        sides = torch.cat([centres - RADIUS, centres + RADIUS], -1)
        none = torch.zeros(count, 1, dtype=torch.int64)
        batch |= {"boxes": sides[:, None], "labels": none, "ignored": none.bool()}
    return batch


def offsets(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return by kind of annotation how far (N, 2) in px it lies from the image's disc; whole discs only."""
    image = batch["image"].float().mean(1)
    touched = image[:, [0, -1]].sum((1, 2)) + image[:, :, [0, -1]].sum((1, 2))
    whole, place = touched == 0, centroid(image)
    found = {key: centroid(batch[key].float()) for key in ("mask", "instances")}
    found["joints"] = batch["joints"][:, 0, 0]
    if "boxes" in batch:
        found["boxes"] = (batch["boxes"][:, 0, :2] + batch["boxes"][:, 0, 2:]) / 2
    return {key: (each - place)[whole] for key, each in found.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {"flip": 0, "crop_area": (0.3, 1), "crop_aspect": 1},
        {"flip": 1, "crop_area": (1, 1), "crop_aspect": 1},
        {"flip": 0.5},
        {"flip": 0, "crop_area": (1, 1), "crop_aspect": 1, "elastic": Elastic(sigma=3)},
        {"elastic": Elastic(sigma=3)},
    ],
    ids=["crop", "flip", "default", "elastic", "all"],
)
def test_every_annotation_moves_with_the_image(settings: dict) -> None:
    augment = Augmenter(Augmentation(**UNLIT, images_per_draw=2, **settings), INFO)
    generator = torch.Generator().manual_seed(0)
    found = [offsets(augment(discs(24, generator, "elastic" not in settings), seed)) for seed in range(30)]
    for kind in found[0]:
        away = torch.cat([each[kind] for each in found])
        assert len(away) > 250
        assert away.mean(0).abs().max() < TOLERANCE, f"{kind}: {away.mean(0).tolist()}"


@pytest.mark.parametrize("size", [SIZE, (32, 48), (48, 72), (40, 97), (128, 192), (111, 130)], ids=str)
def test_a_file_is_read_with_its_annotations_in_place(tmp_path: Path, size: tuple[int, int]) -> None:
    for split in ("train", "val", "test"):
        write_discs(tmp_path, split, 60 if split == "train" else 1)
    data = open_data("coco", tmp_path, size=size)
    samples = [data.train[index] for index in range(len(data.train))]
    batch = {key: torch.stack([each[key] for each in samples]) for key in samples[0]}
    for kind, away in offsets(batch).items():
        assert len(away) == 60
        assert away.mean(0).abs().max() < TOLERANCE, f"{kind}: {away.mean(0).tolist()}"


def write_discs(root: Path, split: str, count: int) -> None:
    """Write COCO's JSON and images of one disc each, its pixels as run lengths, its middle a joint."""
    (root / "annotations").mkdir(exist_ok=True)
    (root / split).mkdir()
    images, annotations = [], []
    centres = torch.rand(count, 2, generator=torch.Generator().manual_seed(1)) * 20 + torch.tensor([38.0, 22.0])
    for number, (x, y) in enumerate(centres.tolist()):
        pixels = coverage(centres[number : number + 1], SIZE)[0].numpy()
        Image.fromarray((255 * pixels).round().astype(np.uint8)).save(root / split / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": SIZE[1], "height": SIZE[0]})
        changes = np.flatnonzero(np.diff(pixels.T.ravel() > 0.5, prepend=False, append=False))
        runs = {"size": list(SIZE), "counts": np.diff(changes, prepend=0, append=pixels.size).tolist()}
        what = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0}
        joint = {"keypoints": [x - 0.5, y - 0.5, 2]}  # COCO's name pixels: a whole number is a pixel's middle
        box = [x - RADIUS, y - RADIUS, 2 * RADIUS, 2 * RADIUS]
        annotations.append({**what, **joint, "bbox": box, "segmentation": runs})
    kinds = [{"id": 1, "name": "disc", "keypoints": ["middle"], "skeleton": []}]
    content = {"images": images, "annotations": annotations, "categories": kinds}
    (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))


def lifted_by(name: str, maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return `maps` (N, 1, h, w) at `size` by one of the upsamplers, whose weights, if any, are all one."""
    upsample = UPSAMPLERS[name](1, 1, size[0] / maps.shape[-2])
    for parameter in upsample.parameters():
        torch.nn.init.constant_(parameter, float(parameter.ndim > 1))
    with torch.no_grad():
        return upsample(maps, size)


# A link's adjoint has the shift of its strided convolution; to align corners is milesial's published choice.
UPWARDS: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    name: lambda maps, size, name=name: lifted_by(name, maps, size)
    for name in UPSAMPLERS.names()
    if name not in ("adjoint", "bilinear_aligned")
} | {"logits": resize}
MOVED = {"transposed3x3": 0.5}  # MONAI's: pixel i goes around pixel `step * i`, as from its encoder's strides


@pytest.mark.parametrize("size", [(40, 48), (80, 96), (39, 47)], ids=str)
@pytest.mark.parametrize("way", UPWARDS)
def test_upsampling_moves_what_it_is_known_to_move(way: str, size: tuple[int, int]) -> None:
    centres = torch.rand(100, 2, generator=torch.Generator().manual_seed(2)) * 4 + torch.tensor([10.0, 8.0])
    coarse = coverage(centres, (20, 24), radius=4.0)
    fine = UPWARDS[way](coarse[:, None], size)[:, 0]
    step = 2 if size[0] % 2 else size[0] / 20  # an odd size is a cropped even one
    if way in ("bilinear", "logits") and size[0] % 2:
        step = fine.new_tensor([size[1] / 24, size[0] / 20])  # but bilinear spreads the map over the image
    away = centroid(fine) - centroid(coarse) * step
    assert (away.mean(0) - MOVED.get(way, 0) * (1 - step)).abs().max() < TOLERANCE
