"""`skipbench export`: what it writes runs elsewhere, and what is wrong is one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from skipbench.archs import EncoderDecoder, create_model

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
