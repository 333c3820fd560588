"""`skipbench export`: what it writes runs elsewhere, and what is wrong is one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from PIL import Image

from skipbench.archs import EncoderDecoder, create_model
from skipbench.bench.cli import main
from skipbench.bench.training.trained import load_trained

SMALL = ("--encoder", "test_resnet", "--set", "width=8", "--img-size", "64x96")


def test_a_model_by_name(skipbench: Any, tmp_path: Path) -> None:
    outcome = skipbench("export", "fpn", *SMALL, "--classes", 3, "--out", tmp_path / "fpn.pt2")
    assert outcome.code == 0, outcome.err
    assert f"wrote {tmp_path / 'fpn.pt2'} (torch" in outcome.out
    assert "input image: (batch, 3, height, width)" in outcome.out
    assert "output logits: (batch, 3, height, width)" in outcome.out
    assert "largest difference from the network, at 1x3x64x96 and 3x3x69x99: " in outcome.out
    module = torch.export.load(tmp_path / "fpn.pt2").module()
    assert module(torch.zeros(1, 3, 70, 80)).shape == (1, 3, 70, 80)


def test_a_saved_network(skipbench: Any, tmp_path: Path) -> None:
    model = create_model("unet", encoder_name="test_resnet", width=8, classes=2).eval()
    model.save_pretrained(tmp_path / "saved")
    outcome = skipbench("export", tmp_path / "saved", "--out", tmp_path / "unet.onnx", "--img-size", "64x64")
    assert outcome.code == 0, outcome.err
    image = torch.randn(2, 3, 70, 50)
    (logits,) = onnxruntime.InferenceSession(tmp_path / "unet.onnx").run(None, {"image": image.numpy()})
    with torch.no_grad():
        assert np.abs(EncoderDecoder.from_pretrained(tmp_path / "saved")(image).numpy() - logits).max() < 1e-4


def test_weights_that_nobody_trained_are_said_to_be_random_in_the_line_and_in_the_file(
    skipbench: Any, tmp_path: Path
) -> None:
    words = "random, nothing was trained"
    for suffix in ("onnx", "pt2"):
        outcome = skipbench("export", "unet", *SMALL, "--out", tmp_path / f"unet.{suffix}")
        assert f"its weights are {words}: skipbench export RUN --arm unet writes what a run" in outcome.out
    session = onnxruntime.InferenceSession(tmp_path / "unet.onnx")
    extra = {"metadata.json": ""}
    torch.export.load(tmp_path / "unet.pt2", extra_files=extra)
    for said in (session.get_modelmeta().custom_metadata_map, json.loads(extra["metadata.json"])):
        assert said["skipbench.weights"] == words
        assert "width: 8" in said["skipbench.spec"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("unte", "--out", "x.onnx"), "unknown model 'unte'. Did you mean 'unet'?"),
        (("runs/absent", "--out", "x.onnx"), "there is no folder runs/absent"),
        (("{saved}", "--out", "x.onnx", "--classes", "3"), "which has its own settings"),
        (("{empty}", "--out", "x.onnx"), "holds no config.json"),
        (("unet", "--out", "x.pb"), "name the format"),
        (("unet", "--out", "x.onnx", "--format", "tflite"), "unknown format 'tflite'"),
        (("unet", "--out", "x.onnx", "--img-size", "big"), "expected HxW"),
        (("unet", "--out", "x.onnx", "--set", "fusoin=add"), "unknown factor 'fusoin'"),
        (("unet.paper", "--out", "x.onnx", "--img-size", "64x64"), "too small for this network"),
    ],
)
def test_bad_input_is_one_sentence(
    skipbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    create_model("fpn", encoder_name="test_resnet", width=8).save_pretrained(tmp_path / "saved")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    outcome = skipbench("export", *(each.format(saved="saved", empty="empty") for each in arguments))
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "saved"]


def test_nothing_is_written_over(skipbench: Any, tmp_path: Path) -> None:
    (tmp_path / "x.pt2").write_text("mine")
    outcome = skipbench("export", "unet", *SMALL, "--out", tmp_path / "x.pt2")
    assert outcome.code == 2
    assert "already exists and is not overwritten" in outcome.err
    assert (tmp_path / "x.pt2").read_text() == "mine"


SUITE = """
name: tiny
data: {name: scenes, size: [64, 96], train: 8, val: 4, test: 4}
model: {encoder: test_resnet, width: 8}
arms: [{model: fpn}]
recipe: {images: 8, batch_size: 8, validations: 1, threads: 1, device: cpu, precision: 32-true}
seeds: [0]
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
studies: [{task: segmentation}, {task: detection}]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    (folder / "tiny.yaml").write_text(SUITE)
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "run"), "--jobs", "0"]) == 0
    return folder / "run"


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_what_a_run_has_trained_takes_images_as_they_are(
    skipbench: Any, run: Path, tmp_path: Path, task: str
) -> None:
    outcome = skipbench("export", run, "--task", task, "--normalise", "--out", tmp_path / "own.onnx")
    assert outcome.code == 0, outcome.err
    assert f"train {task}: fpn, seed 0, trained at 64x96 px; it takes RGB images as uint8" in outcome.out
    assert "largest difference from the network, at 1x3x64x96 and 3x3x69x99: " in outcome.out
    trained = load_trained(run, task=task)
    images = torch.randint(0, 256, (2, 3, 70, 80), dtype=torch.uint8)
    with torch.no_grad():
        wanted = trained.network(trained.prepare(images))
    got = onnxruntime.InferenceSession(tmp_path / "own.onnx").run(None, {"image": images.numpy()})
    for a, b in zip(got, wanted if isinstance(wanted, list) else [wanted], strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=1e-4 * max(1, float(b.abs().max())))


def test_it_says_how_images_came_to_their_size_and_to_8_bits(skipbench: Any, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (tmp_path / "data" / kind / split).mkdir(parents=True)
        for number in range(2):
            mask = np.indices((64, 80)).sum(0) // 9 % 2
            Image.fromarray((mask * 4000).astype(np.uint16)).save(tmp_path / f"data/images/{split}/{number}.png")
            Image.fromarray(mask.astype(np.uint8)).save(tmp_path / f"data/masks/{split}/{number}.png")
    suite = yaml.safe_load(SUITE) | {"studies": [{"task": "segmentation"}]}
    suite["data"] = {
        "name": "folder",
        "root": f"{tmp_path}/data",
        "size": [32, 32],
        "resize": "crop",
        "channels": 1,
    }
    (tmp_path / "deep.yaml").write_text(yaml.safe_dump(suite))
    assert skipbench("run", tmp_path / "deep.yaml", "--out", tmp_path / "run").code == 0
    outcome = skipbench("export", tmp_path / "run", "--normalise", "--fixed-size", "--out", tmp_path / "own.pt2")
    assert outcome.code == 0, outcome.err
    told = "trained at 32x32 px (data.resize=crop, integers 0 to 4095 as 0 to 255); it takes images of 1 channel(s)"
    assert told in outcome.out


def test_without_normalisation_it_says_which_images_it_takes(skipbench: Any, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.pt2"
    outcome = skipbench("export", run, "--task", "segmentation", "--arm", "fpn", "--seed", 0, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "it takes RGB images from 0 to 1, less (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225)" in outcome.out
    images = torch.rand(1, 3, 66, 80)
    trained = load_trained(run, task="segmentation")
    with torch.no_grad():
        given = trained.prepare(images)
        assert torch.allclose(torch.export.load(out).module()(given), trained.network(given), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{run}",), "more than one task; choose one with --task, in Python task=: 'segmentation', 'detection'."),
        (("{run}", "--task", "segmentation", "--arm", "unet"), "no network of the arm 'unet'; there is 'fpn'."),
        (
            ("{run}", "--classes", "3", "--set", "width=8"),
            "is a run, whose networks have their own settings: remove",
        ),
        (("unet", "--arm", "fpn", "--normalise"), "unet is not a run: remove --arm, --normalise."),
    ],
)
def test_what_does_not_suit_the_model_is_said(
    skipbench: Any, run: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    outcome = skipbench("export", *(each.format(run=run) for each in arguments), "--out", tmp_path / "x.onnx")
    assert outcome.code == 2
    assert words in outcome.err
    assert not list(tmp_path.iterdir())
