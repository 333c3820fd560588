"""Saving and loading: every preset comes back bit for bit, nothing else is taken for one of ours."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from skipbench import archs
from skipbench.archs.fusion import FUSIONS

Small = Callable[..., archs.EncoderDecoder]
TIED = [
    ("hourglass", {"stacks": 4, "share_stacks": True}),
    ("fpn", {"head_levels": "all", "share_head": True, "extra_levels": 1}),
    ("rectified_gaussian", {"passes": 3}),
]


def perturb(model: archs.EncoderDecoder) -> None:
    """Give every weight and statistic a value that no fresh network has."""
    with torch.no_grad():
        for x in model.state_dict().values():
            x.add_(0.01 * torch.rand_like(x) if x.is_floating_point() else 3)


def assert_same(one: archs.EncoderDecoder, other: archs.EncoderDecoder) -> None:
    assert one.spec.to_dict() == other.spec.to_dict()  # a tuple among encoder_args comes back as a list
    have, want = one.state_dict(), other.state_dict()
    assert list(have) == list(want)
    assert all(torch.equal(have[name], want[name]) for name in want)


@pytest.mark.parametrize("name", archs.list_models())
def test_every_preset_comes_back_bit_for_bit(name: str, small: Small, tmp_path: Path) -> None:
    model = small(name)
    perturb(model)
    model.save_pretrained(tmp_path)
    assert {"config.json", "model.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    again = archs.EncoderDecoder.from_pretrained(tmp_path)
    assert_same(again, model)
    assert not again.training


@pytest.mark.parametrize(("name", "factors"), TIED, ids=[name for name, _ in TIED])
def test_shared_weights_are_saved_once_and_stay_shared(
    name: str, factors: dict[str, object], small: Small, tmp_path: Path
) -> None:
    model = small(name, **factors)
    perturb(model)
    model.save_pretrained(tmp_path)
    again = archs.EncoderDecoder.from_pretrained(str(tmp_path))
    assert_same(again, model)
    saved = load_file(tmp_path / "model.safetensors")
    numbers = sum(saved[n].numel() for n, _ in model.named_parameters())
    assert numbers == sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in again.parameters())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(image), model.eval()(image))


def test_saving_again_replaces_the_model_and_keeps_what_else_is_there(small: Small, tmp_path: Path) -> None:
    small("unet").save_pretrained(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    model = small("fpn")
    model.save_pretrained(tmp_path)
    assert_same(archs.EncoderDecoder.from_pretrained(tmp_path), model)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_what_is_pushed_is_what_is_saved(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: dict[str, Any] = {}

    class Hub:
        """Stands for the hub, which tests cannot reach."""

        def __init__(self, token: str | None) -> None:
            pushed["token"] = token

        def create_repo(self, repo_id: str, **_: Any) -> SimpleNamespace:
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, repo_id: str, folder_path: Path, **_: Any) -> str:
            pushed[repo_id] = {path.name: path.read_bytes() for path in folder_path.iterdir()}
            return "address"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Hub)
    folder = tmp_path / "mine"
    assert small("unet").save_pretrained(folder, push_to_hub=True, token="secret") == "address"
    assert pushed == {"token": "secret", "mine": {path.name: path.read_bytes() for path in folder.iterdir()}}


def test_no_other_weights_are_fetched(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no such place as the proxy, so a download would fail."""
    model = small("fpn")
    model.spec = model.spec.model_copy(update={"pretrained": True})
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["factors"]["pretrained"] is True
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:9")
    assert archs.EncoderDecoder.from_pretrained(tmp_path).spec.pretrained is False


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_factors(folder: Path, **changes: object) -> None:
    edit(folder, factors={**json.loads((folder / "config.json").read_text())["factors"], **changes})


def drop_a_tensor(folder: Path) -> None:
    saved = load_file(folder / "model.safetensors")
    del saved[next(iter(sorted(saved)))]
    save_file(saved, folder / "model.safetensors")


def change_a_tensor(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    saved = load_file(folder / "model.safetensors")
    name = next(name for name in saved if name.endswith("weight"))
    save_file(saved | {name: change(saved[name])}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "config.json").unlink(), ["holds no config.json"]),
        (lambda f: (f / "model.safetensors").unlink(), ["holds no model.safetensors"]),
        (lambda f: (f / "config.json").write_text("{"), ["config.json", "is not a JSON file"]),
        (lambda f: (f / "config.json").write_text("[1]"), ["config.json", "no key 'factors'"]),
        (lambda f: (f / "config.json").write_text('{"model_type": "bert"}'), ["no key 'factors'"]),
        (lambda f: edit(f, version=2), ["version 2", "reads version 1"]),
        (lambda f: edit_factors(f, fusoin="add"), ["config.json", "unknown factor 'fusoin'", "'fusion'"]),
        (lambda f: edit_factors(f, width="wide"), ["config.json", "factor 'width' is 'wide'"]),
        (lambda f: edit_factors(f, fusion="mine"), ["unknown fusion 'mine'", "registered first", "--plugin"]),
        (lambda f: edit_factors(f, width=16), ["does not fit its config.json", "tensors differ"]),
        (lambda f: edit_factors(f, stacks=2), ["does not fit its config.json", "(not in the file)"]),
        (lambda f: edit_factors(f, width=10**6), ["does not fit its config.json", "(1000000, "]),
        (lambda f: edit_factors(f, width=10**9), ["config.json", "does not describe a network (RuntimeError"]),
        (
            lambda f: edit_factors(f, encoder="double_conv", encoder_args={"widths": [8] * 5000}),
            ["asks for far more layers than its weights have"],
        ),
        (
            lambda f: edit_factors(f, encoder_args={"checkpoint_path": "evil.pth"}),
            ["encoder_args.checkpoint_path, which would read other files"],
        ),
        (
            lambda f: edit_factors(f, encoder_args={"pretrained_cfg_overlay": {}}),
            ["encoder_args.pretrained_cfg_ov"],
        ),
        (lambda f: (f / "config.json").write_text("[" * 10**5), ["config.json", "is not a JSON file"]),
        (
            lambda f: change_a_tensor(f, lambda x: x * torch.nan),
            ["are not finite, the first in"],
        ),
        (lambda f: change_a_tensor(f, lambda x: x.int()), ["int32, expected"]),
        (lambda f: change_a_tensor(f, lambda x: x.to(torch.complex64)), ["complex64, expected"]),
        (drop_a_tensor, ["does not fit its config.json: 1 tensors differ", "(not in the file)"]),
        (
            lambda f: (f / "model.safetensors").write_bytes(b"PK\3\4 a pickle"),
            ["model.safetensors", "cannot be read"],
        ),
        (shutil.rmtree, ["there is no folder"]),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(
    spoil: Callable[[Path], object], words: list[str], small: Small, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    small("fpn").save_pretrained(folder)
    spoil(folder)
    with pytest.raises(archs.PretrainedError) as caught:
        archs.EncoderDecoder.from_pretrained(folder)
    said = str(caught.value)
    assert str(folder) in said
    assert "\n" not in said
    for word in words:
        assert word in said


def test_a_repository_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        archs.PretrainedError, match=r"no folder nobody/nothing, and config\.json could not be downloaded"
    ):
        archs.EncoderDecoder.from_pretrained("nobody/nothing", cache_dir=tmp_path, local_files_only=True)


def test_a_repository_in_the_hubs_cache_is_loaded(small: Small, tmp_path: Path) -> None:
    """The hub's cache layout: what a download leaves behind, read by the hub's own code."""
    repository = tmp_path / "models--somebody--model"
    model = small("unet")
    model.save_pretrained(repository / "snapshots" / "a1")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a1")
    again = archs.EncoderDecoder.from_pretrained("somebody/model", cache_dir=tmp_path, local_files_only=True)
    assert_same(again, model)


def test_a_plugged_in_fusion_is_found_when_registered(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FUSIONS, "_entries", dict(FUSIONS._entries))

    class Doubled(archs.Fusion):
        def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
            return coarse + 2 * skip

    archs.register_fusion("doubled")(Doubled)
    model = small("fpn", fusion="doubled")
    model.save_pretrained(tmp_path)
    assert_same(archs.EncoderDecoder.from_pretrained(tmp_path), model)
