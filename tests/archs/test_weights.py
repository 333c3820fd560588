"""Encoders that begin with learnt weights: published ones are looked for once, a file's are all taken or none."""

import time
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from skipbench import archs
from skipbench.archs.encoders import build_encoder, normalisation, weights

ENCODER = "test_resnet"


def spec_of(**factors: object) -> archs.ArchSpec:
    return archs.resolve_spec("fpn", **{"encoder": ENCODER, "width": 8, **factors})


def saved(file: Path, prefix: str = "", **options: object) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    tensors = timm.create_model(ENCODER, **options).state_dict()
    save_file({prefix + name: x for name, x in tensors.items()}, file)
    return tensors


@pytest.mark.parametrize("prefix", ["", "encoder.", "module.model.backbone."])
def test_a_file_s_weights_are_all_taken(tmp_path: Path, prefix: str) -> None:
    tensors = saved(tmp_path / "own.safetensors", prefix)
    model = archs.build_model(spec_of(encoder_weights=str(tmp_path / "own.safetensors")))
    image = torch.rand(2, 3, 64, 64)
    whole = timm.create_model(ENCODER).eval()
    whole.load_state_dict(tensors)
    with torch.no_grad():
        torch.testing.assert_close(model.eval().encoder(image)[-1], whole.forward_features(image))


def test_a_training_script_s_wrapper_and_a_network_s_other_tensors_are_no_hindrance(tmp_path: Path) -> None:
    tensors = {f"encoder.{name}": x for name, x in timm.create_model(ENCODER).state_dict().items()}
    content = {"epoch": 3, "state_dict": {**tensors, "decoder.conv.weight": torch.ones(2, 2, 1, 1)}}
    torch.save(content, tmp_path / "last.pth")
    encoder = build_encoder(spec_of(encoder_weights=str(tmp_path / "last.pth")))
    assert all(any(torch.equal(own, x) for x in tensors.values()) for own in encoder.parameters())


def test_weights_of_three_channels_are_made_fit_for_others_as_timm_does(tmp_path: Path) -> None:
    tensors = saved(tmp_path / "own.safetensors")
    first = next(name for name, x in tensors.items() if x.ndim == 4 and x.shape[1] == 3)
    grey = build_encoder(spec_of(encoder_weights=str(tmp_path / "own.safetensors"), in_channels=1))
    assert torch.equal(next(grey.parameters()), tensors[first].sum(1, keepdim=True))
    five = build_encoder(spec_of(encoder_weights=str(tmp_path / "own.safetensors"), in_channels=5))
    torch.testing.assert_close(next(five.parameters())[:, 3:], tensors[first][:, :2] * 3 / 5)


@pytest.mark.parametrize("channels", [1, 4])
def test_weights_of_as_many_channels_as_are_wanted_are_taken_as_they_are(tmp_path: Path, channels: int) -> None:
    tensors = saved(tmp_path / "own.safetensors", in_chans=channels)
    encoder = build_encoder(spec_of(encoder_weights=str(tmp_path / "own.safetensors"), in_channels=channels))
    assert torch.equal(next(encoder.parameters()), next(x for x in tensors.values() if x.ndim == 4))


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda file: None, "there is no such file"),
        (lambda file: file.write_bytes(b"no weights"), "cannot be read as weights"),
        (lambda file: save_file({"head.weight": torch.ones(1)}, file), "has no tensor of encoder 'test_resnet'"),
        (lambda file: saved(file, "", pretrained=False) and cut(file), "lacks 1 of the "),
        (lambda file: save_file(grown(), file), "has the shape ["),
        (lambda file: saved(file, in_chans=4), ", and that of encoder 'test_resnet' for 3 channel(s) ["),
    ],
)
def test_a_file_that_does_not_hold_them_is_refused_in_a_sentence(tmp_path: Path, write, says: str) -> None:
    file = tmp_path / "own.safetensors"
    write(file)
    with pytest.raises(archs.PretrainedError) as caught:
        build_encoder(spec_of(encoder_weights=str(file)))
    assert says in str(caught.value)
    assert str(file) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert not str(caught.value).endswith("..")


def cut(file: Path) -> None:
    tensors = dict(timm.create_model(ENCODER).state_dict())
    del tensors[[name for name, x in tensors.items() if x.ndim == 4][3]]
    save_file(tensors, file)


def grown() -> dict[str, torch.Tensor]:
    tensors = dict(timm.create_model(ENCODER).state_dict())
    name = [name for name, x in tensors.items() if x.ndim == 4][3]
    return tensors | {name: torch.cat([tensors[name]] * 2)}


def test_an_encoder_that_is_not_timm_s_takes_no_file() -> None:
    with pytest.raises(
        archs.SpecError, match="has no pretrained weights: name a timm encoder, or leave out encoder_"
    ):
        build_encoder(spec_of(encoder="double_conv", encoder_weights="own.pth"))


def test_without_a_network_published_weights_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def unreachable(url: str, timeout: float) -> None:
        tries.append(url)
        raise ConnectionError("[Errno -2] Name or service not known.")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "get_hf_file_metadata", unreachable)
    start = time.monotonic()
    with pytest.raises(archs.PretrainedError) as caught:
        archs.create_model("fpn", encoder_name="resnet18", pretrained=True)
    assert time.monotonic() - start < 5
    assert str(caught.value) == (
        "the published weights of encoder 'resnet18' are not on this machine, and cannot be had from "
        "timm/resnet18.a1_in1k ([Errno -2] Name or service not known): give a file of them "
        "(model.encoder_weights=FILE in a suite, --set encoder_weights=FILE elsewhere), or fill the cache on a "
        "machine that is online and copy it here (~/.cache/huggingface, or where HF_HOME says)."
    )
    assert len(tries) == 2


def test_an_encoder_without_published_weights_is_said_to_have_none() -> None:
    name = next(name for name in timm.list_models("resnet*") if not timm.list_pretrained(f"{name}.*"))
    with pytest.raises(archs.PretrainedError, match=f"timm has no published weights for encoder '{name}': "):
        build_encoder(spec_of(encoder=name, pretrained=True))


def test_images_are_normalised_as_the_pretrained_encoder_s_were() -> None:
    usual = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert normalisation(spec_of()) == usual
    assert normalisation(spec_of(encoder="resnet18", pretrained=True)) == usual
    vit = spec_of(encoder="vit_tiny_patch16_224", pretrained=True)
    assert normalisation(vit) == ((0.5,) * 3, (0.5,) * 3)
    assert normalisation(vit.fresh) == usual
    (mean,), (std,) = normalisation(spec_of(in_channels=1))
    assert (mean, std) == (pytest.approx(0.449), pytest.approx(0.226))
    assert normalisation(spec_of(in_channels=4))[0] == pytest.approx((0.449,) * 4)
    resnet = spec_of(encoder="resnet18", pretrained=True, in_channels=4)
    assert normalisation(resnet)[0] == (0.485, 0.456, 0.406, 0.485)


def test_a_factor_that_came_later_tells_networks_apart_where_it_is_used_alone(tmp_path: Path) -> None:
    later = {name for name, factor in archs.FACTORS.items() if factor.later}
    assert "encoder_weights" in later
    assert spec_of().identity == {name: x for name, x in spec_of().to_dict().items() if name not in later}
    assert spec_of(encoder_weights="own.pth").identity["encoder_weights"] == "own.pth"


def test_a_saved_network_reads_no_file_of_weights_again(tmp_path: Path) -> None:
    saved(tmp_path / "own.safetensors")
    model = archs.build_model(spec_of(encoder_weights=str(tmp_path / "own.safetensors")))
    model.save_pretrained(tmp_path / "saved")
    (tmp_path / "own.safetensors").unlink()
    assert archs.EncoderDecoder.from_pretrained(tmp_path / "saved").spec.encoder_weights is None
