"""Images of any size: stretched, fitted or cropped, with their annotations; masks are scored in their pixels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from skipbench.bench.data import Boxes, Data, Instances, Joints, Mask, open_data
from skipbench.bench.data.files.seeing import Seeing
from skipbench.bench.data.windows import Window, around, cut, middle, see, tiles, windows_of
from skipbench.bench.records.store import open_run
from skipbench.bench.tasks import TASKS, TaskError, create_task
from skipbench.bench.tasks.segmentation.stitching import mean_logits
from skipbench.bench.tasks.view import View
from skipbench.bench.training import Recipe, train
from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.crops import Crops, places
from skipbench.bench.training.evaluation import MEAN, STD

SIZES = ((24, 48), (40, 30), (16, 16))  # (H, W)
IGNORED = 255
QUICK = Recipe(images=8, batch_size=4, validations=1, device="cpu", precision="32-true", threads=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write three images a split, of three sizes; the class of a pixel is told by its brightness, in stripes."""
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (tmp_path / kind / split).mkdir(parents=True)
        for number, (height, width) in enumerate(SIZES):
            mask = np.indices((height, width)).sum(0) // 3 % 3
            Image.fromarray((mask * 100 + 20).astype(np.uint8)).convert("RGB").save(
                tmp_path / "images" / split / f"{number}.png"
            )
            Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "masks" / split / f"{number}.png")
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    return tmp_path


def opened(folder: Path, resize: str, **options: Any) -> Data:
    return open_data("folder", root=folder, resize=resize, **{"size": [16, 32], **options})


class Brightness(nn.Module):
    """Tells the class of a pixel by its brightness, without having learnt anything; counts what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shown = nn.Parameter(torch.ones(1)), list[tuple[int, ...]]()

    def forward(self, image: Tensor) -> Tensor:
        self.shown.append(tuple(image.shape))
        grey = (image * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]).mean(1)
        centres = torch.tensor([20, 120, 220]) / 255
        return -1000 * self.scale * (grey[:, None] - centres[:, None, None]).square()

    def predictions(self, image: Tensor) -> list[Tensor]:
        return [self(image)]


def test_fitted_images_keep_their_aspect_and_what_is_padded_is_ignored(folder: Path) -> None:
    data = opened(folder, "fit")
    for index, (height, width) in enumerate(SIZES):
        sample = data.test[index]
        scale = min(16 / height, 32 / width)
        rows, columns = round(height * scale), round(width * scale)
        assert sample["image"].shape == (3, 16, 32)
        inside = torch.zeros(16, 32, dtype=torch.bool)
        inside[:rows, :columns] = True
        assert torch.equal(sample["mask"] != IGNORED, inside)
        assert (sample["image"][:, ~inside] == 116).all()
        assert data.test.whole(index)["mask"].shape == (height, width)


def test_cropped_images_keep_their_resolution(folder: Path) -> None:
    data = opened(folder, "crop")
    whole, shown = data.test.whole(0), data.test[0]
    assert whole["image"].shape == (3, 24, 48)
    assert torch.equal(shown["image"], whole["image"][:, 4:20, 8:40])
    assert torch.equal(shown["mask"], whole["mask"][4:20, 8:40])
    assert data.test[2]["image"].shape == (3, 16, 32), "an image that is smaller is enlarged"


@pytest.mark.parametrize("resize", ["fit", "crop"])
def test_who_knows_each_pixel_is_right_about_all_pixels_of_the_images(folder: Path, resize: str) -> None:
    data = opened(folder, resize, size=[48, 48] if resize == "fit" else [16, 16])
    outcome = train(Brightness, data, create_task("segmentation", data.info), QUICK, 0)
    counted = outcome.tables["images.classes"]
    assert counted["true"].sum() == sum(height * width for height, width in SIZES)
    assert outcome.values["test/miou"] == pytest.approx(1.0, abs=0.1 if resize == "fit" else 1e-9)
    squeezed = opened(folder, "stretch", size=[16, 16])
    before = train(Brightness, squeezed, create_task("segmentation", squeezed.info), QUICK, 0)
    assert before.tables["images.classes"]["true"].sum() == 3 * 16 * 16, (
        "stretched images are scored as they are seen"
    )


def test_an_image_is_scored_in_windows_of_the_network_s_size_that_share_their_sides(folder: Path) -> None:
    data, networks = opened(folder, "crop", size=[16, 16], overlap=0.5), list[Brightness]()

    def build() -> Brightness:
        networks.append(Brightness())
        return networks[-1]

    train(build, data, create_task("segmentation", data.info), QUICK, 0)
    assert {shape[1:] for shape in networks[0].shown} == {(3, 16, 16)}
    windows = [len(windows_of("crop", size, (16, 16), 0.5)) for size in SIZES]
    assert windows == [2 * 5, 4 * 3, 1]
    assert data.info.windows == pytest.approx(sum(windows) / 3)


def test_training_draws_windows_at_about_the_images_own_resolution(folder: Path) -> None:
    data = opened(folder, "crop", size=[8, 8])
    crops = Crops(data.train, data.info, Augmentation(crop_area=(1, 1), crop_aspect=1))
    whole = data.train.whole(0)
    found = set()
    for seed in range(60):
        sample = crops[0, seed]
        assert torch.equal(sample["image"], crops[0, seed]["image"])
        matches = [
            (top, left)
            for top in range(24 - 7)
            for left in range(48 - 7)
            if torch.equal(whole["mask"][top : top + 8, left : left + 8], sample["mask"])
            and torch.equal(whole["image"][:, top : top + 8, left : left + 8], sample["image"])
        ]
        assert matches, "a window of another resolution"
        found.add(matches[0])
    assert len(found) > 3
    zoomed = Crops(data.train, data.info, Augmentation(crop_area=(0.25, 1), crop_aspect=1))
    sides = {zoomed._window((24, 48), torch.Generator().manual_seed(seed)).height for seed in range(50)}
    assert min(sides) < 7 < 9 < max(sides)


def test_each_image_of_a_step_has_a_window_of_its_own() -> None:
    drawn = places([[3, 3], [1, 2]], [100, 2**62 - 1])
    assert drawn == [[(3, 100), (3, 101)], [(1, 2**62 - 1), (2, 0)]]


def test_training_in_crops_is_the_same_for_one_seed(folder: Path) -> None:
    data = opened(folder, "crop")
    losses = [
        train(Brightness, data, create_task("segmentation", data.info), QUICK, seed).values["train/loss_last"]
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_boxes_joints_and_instances_go_with_a_window() -> None:
    annotations = [Mask(("ground", "thing")), Instances(), Boxes(("thing",)), Joints(("nose", "tail"))]
    mask = torch.zeros(20, 20, dtype=torch.int64)
    mask[2:6, 2:6], mask[10:18, 10:18] = 1, 1
    sample = {
        "image": torch.zeros(3, 20, 20, dtype=torch.uint8),
        "mask": mask,
        "instances": torch.where(mask > 0, torch.where(torch.arange(20)[:, None] < 8, 1, 2), 0).to(torch.uint8),
        "boxes": torch.tensor([[2.0, 2, 6, 6], [10, 10, 18, 18]]),
        "labels": torch.tensor([0, 0]),
        "ignored": torch.tensor([False, False]),
        "joints": torch.tensor([[[3.0, 3.0], [12.0, 14.0]]]),
        "visibility": torch.tensor([[2, 2]], dtype=torch.uint8),
    }
    shown = cut(sample, annotations, Window(8, 8, 12, 12), (24, 24))
    assert shown["boxes"].tolist() == [[0, 0, 0, 0], [4, 4, 20, 20]]
    assert shown["labels"].tolist() == [-1, 0]
    assert shown["joints"][0, 1].tolist() == [8, 12]
    assert shown["visibility"].tolist() == [[0, 2]]
    assert (shown["instances"].unique().tolist(), shown["mask"].sum().item()) == ([0, 2], 16 * 16)


def test_windows_cover_an_image_and_what_they_show_is_joined_exactly() -> None:
    pixels = torch.randint(256, (3, 37, 53), dtype=torch.uint8)
    for windows, seen in ((tiles((37, 53), (16, 16), 0.3), (16, 16)), ([around((37, 53), (64, 64))], (53, 53))):
        view = View(pixels, windows)
        joined = mean_logits((crop.float() for crop in view.crops(seen)), view)
        torch.testing.assert_close(joined, pixels.float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("size", "seen", "window"),
    [((20, 40), (16, 16), (40, 40)), ((40, 20), (16, 32), (40, 80)), ((10, 10), (20, 20), (10, 10))],
)
def test_a_fitted_image_is_in_the_smallest_window_of_the_network_s_aspect(
    size: tuple[int, int], seen: tuple[int, int], window: Sequence[int]
) -> None:
    assert around(size, seen) == Window(0, 0, *window)
    shown = see(torch.full((3, *size), 7, dtype=torch.uint8), around(size, seen), seen)
    assert shown.shape == (3, *seen)
    assert (shown == 7).sum() == pytest.approx(3 * size[0] * size[1] * (seen[0] / window[0]) ** 2)


def test_an_image_s_middle_is_its_middle() -> None:
    assert middle((20, 41), (10, 10)) == Window(5, 15, 10, 10)
    assert middle((5, 41), (10, 20)) == Window(0, 15, 5, 10)


@pytest.mark.parametrize(
    ("resize", "says"),
    [
        (
            "stretch",
            "Images of 16x16 to 40x30 px (height x width) are squeezed to 16x32 px, in which they are learnt",
        ),
        ("fit", "Images of 16x16 to 40x30 px (height x width) are scaled to fit into 16x32 px with their aspect"),
        (
            "crop",
            "are learnt in windows of 16x32 px at their own resolution, and scored as a whole in their own pixels",
        ),
    ],
)
def test_a_note_says_what_the_network_sees(folder: Path, resize: str, says: str) -> None:
    data = opened(folder, resize)
    assert any(says in note for note in data.info.notes)
    assert data.info.facts.get("resize", "stretch") == resize


def test_a_note_says_where_a_fitted_image_is_a_slit_and_how_far_aspects_change() -> None:
    sizes = [(100, 100), (30, 4000), (1, 1)]
    (fitted,) = Seeing("fit", (64, 96), 0.25, False).notes(sizes)
    assert "scored in their own pixels. The narrowest is 1 px wide there: data.resize=crop shows" in fitted
    (even,) = Seeing("fit", (64, 96), 0.25, False).notes(sizes[:1])
    assert even.endswith("scored in their own pixels.")
    (stretched,) = Seeing("stretch", (64, 96), 0.25, True).notes(sizes)
    assert "learnt at 64x96 px and scored in their own pixels, their aspect changed by up to 89;" in stretched
    assert Seeing("stretch", (64, 64), 0.25, False).notes(sizes[:1]) == []


def test_stretched_data_are_what_they_were(folder: Path) -> None:
    assert (
        opened(folder, "stretch").info.fingerprint
        == open_data("folder", root=folder, size=[16, 32]).info.fingerprint
    )
    assert opened(folder, "fit").info.fingerprint != opened(folder, "stretch").info.fingerprint


def test_a_task_that_does_not_join_windows_is_refused_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data("scenes", size=[32, 32], train=8, val=2, test=2)
    for task in TASKS.names():
        create_task(task, replace(data.info, resize="crop"))
    monkeypatch.setattr(TASKS["pose"], "in_own_pixels", False)
    with pytest.raises(TaskError, match=r"^pose is not scored in windows of an image.*: set data.resize=fit\.$"):
        create_task("pose", replace(data.info, resize="crop"))
    create_task("pose", replace(data.info, resize="fit"))


@pytest.mark.parametrize("resize", ["fit", "crop"])
def test_a_suite_runs_on_images_of_all_sizes_and_its_network_predicts_new_ones(
    tiny_suite: str, folder: Path, tmp_path: Path, skipbench: Any, resize: str
) -> None:
    run = tmp_path / "run"
    given = ["--data", folder, f"data.resize={resize}", "data.size=[32,32]", "recipe.images=8", "seeds=[0]"]
    shown = skipbench("run", tiny_suite, "arms=[{model: fpn}]", *given, "--out", run)
    assert shown.code == 0, shown.err
    record = next(record for record in open_run(run).records() if record.kind == "train")
    assert record.settings["data"]["resize"] == resize
    assert any(f"data.resize={resize}" in note for note in record.notes)
    assert skipbench("results", run, "--out", tmp_path / "results.md").code == 0
    assert f"| images come to that size by data.resize | {resize} |" in (tmp_path / "results.md").read_text()
    predicted = skipbench("predict", run, folder / "images" / "test", "--out", tmp_path / "predicted")
    assert predicted.code == 0, predicted.err
    sizes = {Image.open(file).size for file in (tmp_path / "predicted" / "masks").glob("*.png")}
    assert sizes == {(width, height) for height, width in SIZES}
