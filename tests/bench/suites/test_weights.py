"""Learnt weights in a suite: what cannot be had is said before anything is measured; a file's content counts."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from skipbench.archs import PretrainedError
from skipbench.archs.encoders import weights
from skipbench.bench.suites.plan import Plan, make_plan
from skipbench.bench.suites.reading import load_suite


def plan(suite: str, *overrides: str) -> Plan:
    return make_plan(load_suite(suite, overrides))


def written(file: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    save_file(timm.create_model("test_resnet").state_dict(), file)
    return file


def test_a_file_of_weights_is_known_by_what_it_holds(tiny_suite: str, tmp_path: Path) -> None:
    file = written(tmp_path / "own.safetensors", 0)
    given = f"model.encoder_weights={file}"
    first = {cell.cell_id for cell in plan(tiny_suite, given).cells}
    assert first.isdisjoint(cell.cell_id for cell in plan(tiny_suite).cells)
    assert {cell.cell_id for cell in plan(tiny_suite, given).cells} == first
    written(file, 1)
    assert first.isdisjoint(cell.cell_id for cell in plan(tiny_suite, given).cells)


def test_a_file_that_is_not_there_ends_the_plan(tiny_suite: str, tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match="there is no such file"):
        plan(tiny_suite, f"model.encoder_weights={tmp_path / 'none.pth'}")


def test_published_weights_are_tried_once_for_all_arms(tiny_suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(weights, "_try_hub", lambda repository, revision, file: tried.append(repository))
    cells = plan(tiny_suite, "model.pretrained=true").cells
    assert len(tried) == 1
    normalised = [cell.determines.get("normalisation") for cell in cells]
    assert normalised == [((0.5,) * 3, (0.5,) * 3)] * len(cells), "not as ImageNet's, which networks had before"
    assert "normalisation" not in plan(tiny_suite).cells[0].determines
