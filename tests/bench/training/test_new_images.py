"""New images: what a trained network predicts for them is what it predicted in its run, in px of their files."""

import csv
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from faster_coco_eval import COCO
from PIL import Image

import skipbench
from skipbench.bench.cli import main
from skipbench.bench.predictions import Boxes
from skipbench.bench.records.store import open_run
from skipbench.bench.tasks import Task, TaskError
from skipbench.bench.tasks.segmentation.stitching import stitched
from skipbench.bench.tasks.view import View, tiles, whole

SUITE = """
name: tiny
data: {name: scenes, size: [32, 48], train: 16, val: 4, test: 8}
model: {encoder: test_resnet, width: 8}
arms: [{model: fpn}]
recipe: {images: 64, batch_size: 8, validations: 1, threads: 1, device: cpu, precision: 32-true}
seeds: [0]
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
studies: [{task: segmentation}, {task: pose}, {task: detection}]
"""
SIZE = (32, 48)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    (folder / "tiny.yaml").write_text(SUITE)
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "run"), "--jobs", "0"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def kept(run: Path) -> dict[str, Any]:
    """What the run has kept for its first test images, by task."""
    return {
        task: np.load(run / skipbench.load_trained(run, task=task).record.artifacts["predictions"])
        for task in ("segmentation", "pose", "detection")
    }


@pytest.fixture(scope="module")
def images(kept: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as files: 0.png, 1.png ..."""
    folder = tmp_path_factory.mktemp("images")
    for number, image in enumerate(kept["segmentation"]["images"]):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def mask(file: Path) -> np.ndarray:
    image = Image.open(file)
    assert image.mode == "P"
    return np.asarray(image)


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def test_masks_are_those_that_the_run_has_kept(skipbench: Any, run: Path, images: Path, kept: Any, tmp_path: Path):
    outcome = skipbench("predict", run, images, "--task", "segmentation", "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert f"{len(list(images.iterdir()))} image(s) predicted by train segmentation: fpn, seed 0" in outcome.out
    for number, wanted in enumerate(kept["segmentation"]["prediction"]):
        assert np.array_equal(mask(tmp_path / "out" / "masks" / f"{number}.png"), wanted)
        assert Image.open(tmp_path / "out" / "overlays" / f"{number}.png").size == SIZE[::-1]
    names = (tmp_path / "out" / "classes.txt").read_text().splitlines()
    assert names == kept["segmentation"]["classes"].tolist()
    assert kept["segmentation"]["prediction"].any()  # not all background


def test_detections_are_the_tasks_own(skipbench: Any, run: Path, images: Path, kept: Any, tmp_path: Path):
    out = tmp_path / "out"
    assert skipbench("predict", run, images, "--task", "detection", "--out", out, "--no-overlays").code == 0
    file = COCO(str(out / "detections.json"))
    trained = load(run, "detection")
    network = trained.network.to(memory_format=torch.channels_last)  # as the recipe has it: bits depend on it
    shown = torch.from_numpy(kept["detection"]["images"]).permute(0, 3, 1, 2)  # in that format, too
    with torch.inference_mode():
        wanted = trained.create_task().detect(network(trained.prepare(shown)))
    assert sum(len(each.boxes) for each in wanted) > 0
    names = {image["file_name"]: number for number, image in file.imgs.items()}
    for number, image in enumerate(wanted):
        found = file.imgToAnns[names[f"{number}.png"]]
        corners = np.array([annotation["bbox"] for annotation in found]).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        np.testing.assert_allclose(corners, image.boxes, atol=1e-3)
        np.testing.assert_allclose([annotation["score"] for annotation in found], image.scores, atol=1e-6)
        labels = [file.cats[annotation["category_id"]]["name"] for annotation in found]
        assert labels == [trained.classes[label] for label in image.labels]
    assert not (out / "overlays").exists()


def load(run: Path, task: str) -> Any:
    return skipbench.load_trained(run, task=task)


def test_a_person_alone_has_the_joints_that_the_run_has_kept(
    skipbench: Any, run: Path, images: Path, kept: Any, tmp_path: Path
):
    out = tmp_path / "out"
    assert skipbench("predict", run, images, "--task", "pose", "--out", out).code == 0
    rows = list(csv.DictReader((out / "joints.csv").open()))
    persons = read(out / "keypoints.json")
    (category,) = persons["categories"]
    pose = kept["pose"]
    assert category["keypoints"] == pose["joints"].tolist()
    assert category["skeleton"] == (pose["bones"] + 1).tolist()
    assert category["skeleton"]
    alone = 0
    for number, known in enumerate(pose["visibility"] > 0):
        if known.any(1).sum() != 1:
            continue
        alone += 1
        person = int(known.any(1).argmax())
        points = np.array([(row["x"], row["y"]) for row in rows if row["image"] == f"{number}.png"], float)
        wanted = pose["prediction"][number][person]
        np.testing.assert_allclose(points[known[person]] + 0.5, wanted[known[person]], atol=0.006)
        keypoints = np.reshape(persons["annotations"][number]["keypoints"], (-1, 3))
        np.testing.assert_allclose(keypoints[:, :2], points, atol=0.006)
    assert alone


def test_people_in_boxes_have_their_joints_there(skipbench: Any, run: Path, images: Path, tmp_path: Path):
    boxes = {"0.png": [[0, 0, 16, 16], [24, 8, 20, 24]], "1.png": []}
    size = {"width": 48, "height": 32}
    people = {
        "categories": [{"id": 1, "name": "person"}],
        "images": [{"id": name, "file_name": name, **size} for name in boxes],
        "annotations": [
            {"id": f"{name}{number}", "image_id": name, "category_id": 1, "bbox": box}
            for name, each in boxes.items()
            for number, box in enumerate(each)
        ],
    }
    (tmp_path / "people.json").write_text(json.dumps(people))
    where = ("--boxes", tmp_path / "people.json", "--out", tmp_path / "out")
    outcome = skipbench("predict", run, images, "--task", "pose", *where)
    assert outcome.code == 1  # of the other images there are no boxes
    assert f"2.png: is not in {tmp_path / 'people.json'}" in outcome.out
    found = read(tmp_path / "out" / "keypoints.json")
    assert [image["file_name"] for image in found["images"]] == ["0.png", "1.png"]
    assert [annotation["image_id"] for annotation in found["annotations"]] == [1, 1]
    for annotation, (x, y, width, height) in zip(found["annotations"], boxes["0.png"], strict=True):
        points = np.reshape(annotation["keypoints"], (-1, 3))[:, :2] + 0.5  # boxes end with a heatmap's pixels
        assert (points >= (x, y)).all()
        assert (points <= (x + width, y + height)).all()


@pytest.mark.parametrize(("task", "file"), [("segmentation", "masks/0.png"), ("detection", "detections.json")])
def test_a_tile_that_holds_the_image_is_the_image(
    skipbench: Any, run: Path, images: Path, tmp_path: Path, task: str, file: str
):
    for name, more in {"whole": (), "tiled": ("--tiles", "--overlap", "0.5")}.items():
        assert skipbench("predict", run, images, "--task", task, "--out", tmp_path / name, *more).code == 0
    assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "tiled" / file).read_bytes()


def test_predictions_are_in_px_of_the_file(skipbench: Any, run: Path, images: Path, tmp_path: Path):
    photo = Image.open(images / "0.png").resize((150, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    photo.save(tmp_path / "photo.jpg", exif=exif)
    for task in ("segmentation", "detection", "pose"):
        for way in ("turned", "--as-stored", "--tiles"):
            out = tmp_path / task / way
            more = () if way == "turned" else (way,)
            assert skipbench("predict", run, tmp_path / "photo.jpg", "--task", task, "--out", out, *more).code == 0
            size = (150, 100) if way == "--as-stored" else (100, 150)
            assert Image.open(out / "overlays" / "photo.png").size == size
            if task == "segmentation":
                assert mask(out / "masks" / "photo.png").shape == size[::-1]
            else:
                (file,) = out.glob("*.json")
                (image,) = read(file)["images"]
                assert (image["width"], image["height"]) == size
    right = max(
        box["bbox"][0] for box in read(tmp_path / "detection" / "--as-stored" / "detections.json")["annotations"]
    )
    assert SIZE[1] < right < 150


def test_tiles_cover_an_image_and_overlap():
    for size, overlap in (((100, 150), 0.25), ((33, 48), 0.0), ((20, 200), 0.5)):
        windows = tiles(size, SIZE, overlap)
        seen = np.zeros(size, int)
        for top, left, height, width in windows:
            assert (height, width) == (min(size[0], 32), 48)
            seen[top : top + height, left : left + width] += 1
        assert seen.min() == 1
        lefts = sorted({window.left for window in windows})
        assert lefts[-1] == size[1] - 48
        assert all(after - before <= 48 * (1 - overlap) for before, after in pairwise(lefts))


def test_logits_are_averaged_where_tiles_overlap():
    size = (75, 110)
    view = View(torch.zeros(3, *size, dtype=torch.uint8), tiles(size, SIZE, 0.3))
    random = torch.Generator().manual_seed(0)
    logits = [torch.randn(5, *SIZE, generator=random) for _ in view.windows]
    sums, counts = torch.zeros(5, *size), torch.zeros(size)
    for (top, left, height, width), each in zip(view.windows, logits, strict=True):
        sums[:, top : top + height, left : left + width] += each
        counts[top : top + height, left : left + width] += 1
    assert counts.max() >= 4
    assert torch.equal(stitched(iter(logits), view), (sums / counts).argmax(0).to(torch.uint8))


def test_what_two_tiles_find_is_one_box(run: Path):
    task = load(run, "detection").create_task()
    trained = load(run, "detection")
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 32, 48), generator=random, dtype=torch.uint8)
    with torch.inference_mode():
        maps = [level[0] for level in trained.network(trained.prepare(pixels[None]))]
    once = task.assemble(View(pixels, whole(SIZE)), [maps])
    twice = task.assemble(View(pixels, whole(SIZE) * 2), [maps, maps])
    assert once.boxes.shape[1] > 0
    assert Counter(map(tuple, once.boxes[0].tolist())) == Counter(map(tuple, twice.boxes[0].tolist()))


def test_a_box_without_truth_is_drawn_where_it_is_sure():
    boxes = np.array([[[4, 4, 20, 20], [30, 20, 40, 30]]], np.float32)
    black = np.zeros((1, 32, 48, 3), np.uint8)
    nothing = {"truth_boxes": np.zeros((1, 0, 4)), "truth_labels": np.zeros((1, 0), int)}
    found = Boxes(
        black,
        boxes=boxes,
        labels=np.array([[0, 0]]),
        scores=np.array([[0.9, 0.1]]),
        classes=np.array(["x"]),
        **nothing,
    )
    drawn = found.overlay()
    assert drawn[4:21, 20].any(1).all()
    assert not drawn[22:, 25:].any()


def test_a_bad_image_is_named_and_the_others_go_on(skipbench: Any, run: Path, images: Path, tmp_path: Path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no image")
    (folder / "b.png").write_bytes((images / "0.png").read_bytes())
    Image.open(images / "1.png").save(folder / "b.tif")
    (folder / "notes.txt").write_text("not looked at")
    outcome = skipbench("predict", run, folder, "--task", "segmentation", "--out", tmp_path / "out")
    assert outcome.code == 1
    assert "1 image(s) predicted" in outcome.out
    assert "  a.png: cannot be read as an image (its format is unknown or damaged)\n" in outcome.out
    assert "  b.tif: has the same name as b.png, whose files it would take\n" in outcome.out
    assert [file.name for file in (tmp_path / "out" / "masks").iterdir()] == ["b.png"]


def test_only_its_own_files_are_written_over(skipbench: Any, run: Path, images: Path, tmp_path: Path):
    arguments = ("predict", run, images / "0.png", "--task", "segmentation", "--out", tmp_path / "out")
    assert skipbench(*arguments).code == 0
    (tmp_path / "out" / "masks" / "0.png").write_bytes(b"damaged")
    assert skipbench(*arguments).code == 0
    assert mask(tmp_path / "out" / "masks" / "0.png").shape == SIZE
    mine = tmp_path / "out" / "masks" / "1.png"
    mine.write_text("mine")
    outcome = skipbench("predict", run, images / "1.png", "--task", "segmentation", "--out", tmp_path / "out")
    assert (outcome.code, mine.read_text()) == (2, "mine")
    assert f"{mine} was not written by this command" in outcome.err


@pytest.mark.parametrize(
    ("task", "arguments", "words"),
    [
        ("segmentation", ("{images}", "--boxes", "x.json"), "segmentation looks for no people: remove the boxes."),
        ("pose", ("{images}", "--boxes", "x.json"), "x.json: cannot be read as text"),
        ("segmentation", ("absent.png",), "there is no image or folder absent.png."),
        ("segmentation", ("empty",), "the folder empty holds no images."),
        ("segmentation", ("{images}", "--out", "mine"), "mine holds files that this command did not write"),
        (
            "segmentation",
            ("{images}", "--device", "tpu"),
            "--device: 'tpu' is no device to compute on: expected 'cpu', 'cuda' or 'auto' (torch finds ",
        ),
        ("segmentation", ("{images}", "--overlap", "0.5"), "--overlap is of tiles: add --tiles, or leave it out."),
        ("segmentation", ("{images}", "--arm", "unet"), "no network of the arm 'unet'; there is 'fpn'."),
    ],
)
def test_bad_input_is_one_sentence(
    skipbench: Any, run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    given = [each.format(images=images) for each in arguments]
    out = () if "--out" in given else ("--out", "out")
    outcome = skipbench("predict", run, *given, "--task", task, *out)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(path.as_posix() for path in Path().rglob("*")) == ["empty", "mine", "mine/notes.txt"]


def test_a_task_without_its_method_is_named(run: Path):
    task = load(run, "segmentation").create_task()
    view = View(torch.zeros(3, *SIZE, dtype=torch.uint8), whole(SIZE))
    with pytest.raises(
        TaskError, match=r"'segmentation' does not say how .*: give Segmentation a method 'assemble'"
    ):
        Task.assemble(task, view, [])


@pytest.mark.parametrize("options", [{"upright": False, "resize": "fit"}, {"channels": 3, "resize": "crop"}])
def test_files_are_opened_as_those_of_the_training(skipbench: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    random, turned = np.random.default_rng(0), "upright" in options
    exif = Image.Exif()
    exif[0x0112] = 6
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (tmp_path / "data" / kind / split).mkdir(parents=True)
        for number in range(3):
            mask = random.integers(0, 2, (6, 8), np.uint8).repeat(4, 0).repeat(4, 1)
            bands = [Image.fromarray(mask * 50 * (band + 1)) for band in range(3)]
            place = tmp_path / "data" / "images" / split / f"{split}{number}.{'png' if turned else 'tif'}"
            if turned:
                Image.merge("RGB", bands).save(place, exif=exif)
            else:
                bands[0].save(place, save_all=True, append_images=bands[1:])
            Image.fromarray(mask).save(tmp_path / "data" / "masks" / split / f"{split}{number}.png")
    suite = yaml.safe_load(SUITE) | {"studies": [{"task": "segmentation"}]}
    suite["data"] = {"name": "folder", "root": str(tmp_path / "data"), "size": [16, 24], **options}
    suite["recipe"] |= {"images": 8, "batch_size": 4}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(suite))
    assert skipbench("run", tmp_path / "own.yaml", "--out", tmp_path / "run").code == 0
    images = tmp_path / "data" / "images" / "test"
    shown = skipbench("predict", tmp_path / "run", images, "--out", tmp_path / "found")
    assert shown.code == 0, shown.out
    right = sum(
        (np.asarray(Image.open(file)) == np.asarray(Image.open(tmp_path / "data/masks/test" / file.name))).sum()
        for file in sorted((tmp_path / "found" / "masks").iterdir())
    )
    (record,) = (each for each in open_run(tmp_path / "run").records() if each.kind == "train")
    assert right == pd.read_parquet(tmp_path / "run" / record.artifacts["images.classes"])["right"].sum()
