"""A metric of an existing task, from this file alone: in the records, the report, its tables and its figures."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from skipbench.bench.cli import main
from skipbench.bench.data import Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.records.metrics import Breakdown, percentage
from skipbench.bench.records.store import open_run
from skipbench.bench.tasks import METRICS, Scorer, Task, register_metric

SUITE = """
name: tiny
data: {name: scenes, size: [32, 32], train: 16, val: 4, test: 4}
model: {encoder: test_resnet, width: 8}
arms: [{model: fpn, sweep: {fusion: [add, concat]}}]
recipe: {images: 16, batch_size: 8, validations: 1, threads: 1, device: cpu}
seeds: [0]
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
"""


@pytest.fixture
def own_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a metric that is gone after the test."""
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    register_metric("segmentation")(PixelAccuracy)


class PixelAccuracy(Scorer):
    """The share of annotated pixels whose class is right, also of bright and of dark ones."""

    by_light = Breakdown("light", "pixel_accuracy_by_light/", ("bright", "dark"), "By light", contrast="pixels")
    scores = (percentage("pixel_accuracy", "Pixel accuracy", by_light),)

    def __init__(self, task: Task, device: torch.device) -> None:
        super().__init__(task, device)
        self.right: list[Tensor] = []
        self.bright: list[Tensor] = []

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        known = batch["mask"] != self.task.info[Mask].ignore_index
        self.right.append((outputs[-1].argmax(1) == batch["mask"])[known].double())
        self.bright.append((batch["image"].float().mean(1) > 127)[known])

    def compute(self) -> dict[str, float]:
        right, bright = torch.cat(self.right), torch.cat(self.bright)
        shares = {"bright": right[bright], "dark": right[~bright]}
        by_light = {f"{self.by_light.prefix}{name}": float(each.mean()) for name, each in shares.items()}
        return {"pixel_accuracy": float(right.mean()), **by_light}


@pytest.mark.usefixtures("own_metric")
def test_a_metric_from_one_file_shows_wherever_scores_do(tmp_path: Path) -> None:
    suite, run = tmp_path / "tiny.yaml", tmp_path / "run"
    suite.write_text(SUITE)
    assert main(["run", str(suite), "--jobs", "0", "--out", str(run)]) == 0
    trained = [record for record in open_run(run).records() if record.kind == "train"]
    found = [record.values["test/pixel_accuracy"] for record in trained]
    assert all(0 < value < 1 for value in found)
    assert all("val/pixel_accuracy" in record.values for record in trained)
    assert all("segmentation/pixel_accuracy" in record.determines["metrics"] for record in trained)

    METRICS._entries.clear()  # whoever reads the run need not have the file
    assert main(["report", str(run)]) == 0
    tables, page = run / "report" / "tables", (run / "report" / "index.html").read_text()
    assert pd.read_csv(tables / "accuracy.csv")["test/pixel_accuracy"].tolist() == pytest.approx(found)
    assert pd.read_csv(tables / "runs.csv")["test/pixel_accuracy"].tolist() == pytest.approx(found)
    assert (tables / "pixel_accuracy-by-light.csv").exists()
    assert "Mean Pixel accuracy (%)" in page
    assert "Pixel accuracy, bright minus dark, paired by seed." in page
    assert "Best mean mIoU" in page, "the task's own headline stays what it is"
    drawn = tmp_path / "breakdown.svg"
    assert main(["plot", str(run), "breakdown", "--format", "svg", "--out", str(drawn)]) == 0
    assert "<!-- Pixel accuracy by light -->" in drawn.read_text()
