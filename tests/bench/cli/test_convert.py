"""`convert`: what it writes is the network whose weights it was given, and it writes nothing else."""

from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from skipbench import archs


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = smp.FPN("resnet18", encoder_weights=None, classes=3, aux_params={"classes": 2})
    torch.save({"state_dict": network.state_dict()}, tmp_path / "fpn.pth")
    return tmp_path / "fpn.pth"


COMMAND = ("--layout", "smp-fpn", "--encoder", "resnet18", "--classes", 3)


def test_the_folder_holds_the_network_of_the_checkpoint(skipbench: Any, checkpoint: Path, tmp_path: Path) -> None:
    done = skipbench("convert", checkpoint, *COMMAND, "--out", tmp_path / "fpn", "--set", "head_dropout=0.1")
    assert done.code == 0
    assert "fpn.smp on resnet18, 13,047,491 parameters." in done.out
    assert "2 tensors of the checkpoint are not used: classification_head.3.weight, classif" in done.out
    network = smp.FPN("resnet18", encoder_weights=None, classes=3).eval()
    state = torch.load(checkpoint)["state_dict"]
    network.load_state_dict({name: x for name, x in state.items() if not name.startswith("classification_head")})
    ours = archs.EncoderDecoder.from_pretrained(tmp_path / "fpn")
    assert ours.spec.head_dropout == 0.1
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), network(image), rtol=0, atol=1e-4)


def test_a_backbone_says_that_its_head_is_untrained(skipbench: Any, tmp_path: Path) -> None:
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    save_file(backbone.state_dict(), tmp_path / "fpn.safetensors")
    command = ("convert", tmp_path / "fpn.safetensors", "--layout", "torchvision-fpn", "--encoder", "resnet18")
    done = skipbench(*command, "--out", tmp_path / "fpn")
    assert (
        "2 tensors are not in the checkpoint, so they still need training: stages.0.head.predictors.0.w" in done.out
    )
    again = skipbench(*command, "--out", tmp_path / "again")
    assert (done.code, again.code) == (0, 0)
    one, other = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in ("fpn", "again"))
    assert one == other


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (("--layout", "smp-fpm"), "unknown layout 'smp-fpm'. Did you mean 'smp-fpn'?"),
        (("--classes", 4), "its tensor 'segmentation_head.0.weight' is (3, 128, 1, 1) but the model's"),
        (("--model", "unet.smp"), "--model is 'unet.smp', but layout 'smp-fpn' is of fpn.smp."),
        (("--set", "fusion=concat"), "its outputs need fusion='add' but the model has 'concat'"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_writes_nothing(
    skipbench: Any, checkpoint: Path, tmp_path: Path, changed: tuple[Any, ...], sentence: str
) -> None:
    done = skipbench("convert", checkpoint, *COMMAND, "--out", tmp_path / "new", *changed)
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(skipbench: Any, checkpoint: Path, tmp_path: Path) -> None:
    for taken in (tmp_path, checkpoint):
        done = skipbench("convert", checkpoint, *COMMAND, "--out", taken)
        assert (done.code, "which already exists" in done.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["fpn.pth"]
