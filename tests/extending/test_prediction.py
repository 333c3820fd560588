"""A kind of prediction from this file alone: kept by a run, read back and drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.patches import Patch

from skipbench.bench.cli import main
from skipbench.bench.errors import BenchError
from skipbench.bench.predictions import PREDICTIONS, Array, Layout, Prediction, Strip, register_prediction
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import write_run


@dataclass(frozen=True)
class DepthMaps(Prediction):
    """A distance per pixel, 0 to 1."""

    alt = "Test images, their true depth and the depth that each arm predicts"
    caption = "Below each: how many pixels are off by less than .1."

    truth: Annotated[Array, Layout("f", "n H W")]
    prediction: Annotated[Array, Layout("f", "n H W")]

    def right(self, index: int) -> tuple[int, int]:
        near = abs(self.truth[index] - self.prediction[index]) < 0.1
        return int(near.sum()), near.size

    def truth_strips(self) -> list[Strip]:
        return [Strip("image", self.images / 255), Strip("true depth", np.repeat(self.truth[..., None], 3, -1))]

    def arm_strip(self, arm: str) -> Strip:
        return Strip(arm, np.repeat(self.prediction[..., None], 3, -1), self.captions())

    def legend(self) -> list[Artist]:
        return [Patch(color="black", label="near"), Patch(color="white", label="far")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder of one arm that predicts depth, off by .2 in one of four pixels."""
    truth = np.full((1, 2, 2), 0.5, np.float32)
    prediction = truth + np.array([[0.2, 0], [0, 0]], np.float32)
    arm = {"arm": "unet / add", "model": "unet", "spec": {}}
    cell = Cell(kind="train", task="depth", dataset="rooms", seed=0, determines={}, **arm)
    with write_run(tmp_path / "run", {"name": "depth"}, [cell]) as writer:
        depth = DepthMaps(np.zeros((1, 2, 2, 3), np.uint8), truth, prediction)
        artifacts = writer.save_artifacts(cell, {"predictions": depth.arrays()})
        writer.save([RunRecord(**cell.model_dump(), status="ok", artifacts=artifacts)])
    return tmp_path / "run"


@pytest.fixture
def own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a kind of prediction that is gone after the test."""
    monkeypatch.setattr(PREDICTIONS, "_entries", dict(PREDICTIONS._entries))
    register_prediction("depth_maps")(DepthMaps)


def test_a_kind_from_one_file_is_drawn(own_kind: None, run: Path) -> None:
    assert main(["plot", str(run), "predictions", "--format", "svg"]) == 0
    drawn = (run / "report" / "figures" / "predictions.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("true depth", "unet / add", "3 of 4", "near", "far"))
    assert main(["report", str(run)]) == 0
    assert DepthMaps.caption in (run / "report" / "index.html").read_text()


def test_without_a_method_for_files_it_is_named(own_kind: None) -> None:
    with pytest.raises(BenchError, match="'depth_maps' cannot be written as files: give DepthMaps a method 'save'"):
        DepthMaps.save([], lambda name, content: None)


def test_where_its_file_is_not_there_the_report_says_so(
    own_kind: None, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del PREDICTIONS._entries["depth_maps"]
    assert main(["plot", str(run), "predictions"]) == 2
    assert "no class is registered for predictions of kind 'depth_maps'" in capsys.readouterr().err
