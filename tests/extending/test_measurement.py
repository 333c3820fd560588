"""A measurement, from this file alone: in the suite, the plan, the preview, the records, files and lists."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipbench.archs import build_model
from skipbench.archs.ledger import count
from skipbench.bench.cli import main
from skipbench.bench.measure import MEASUREMENTS, Advance, Arm, Forecast, Measurement, Options, register_measurement
from skipbench.bench.measure.runtimes import random_images
from skipbench.bench.records import Outcome
from skipbench.bench.records.metrics import Metric
from skipbench.bench.records.store import open_run

SUITE = """
name: tiny
data: {name: scenes, size: [32, 32], train: 16, val: 4, test: 4}
model: {encoder: test_resnet, width: 8}
arms: [{model: fpn, sweep: {fusion: [add, concat]}}]
recipe: {images: 8, batch_size: 8, validations: 1, threads: 1, device: cpu}
seeds: [0]
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
peak_memory: {batch_size: 4}
"""


class PeakMemoryOptions(Options):
    """How memory is measured."""

    batch_size: int = 1


class PeakMemory(Measurement[PeakMemoryOptions]):
    """The most bytes that a forward pass holds at once."""

    Options = PeakMemoryOptions
    metrics = (Metric("peak_memory/bytes", "Peak memory", "MB", "lower", 1e-6),)

    def forecast(self, arm: Arm) -> Forecast:
        return Forecast(7200.0)

    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Outcome:
        images = random_images(model := build_model(arm.spec).eval(), self.options.batch_size, (32, 32))
        peak = count(model, (images,), {}).peak_bytes
        advance(1.0)
        return Outcome(
            {"peak_memory/bytes": peak},
            {"batch_size": self.options.batch_size},
            [f"{arm.name} was measured."],
            arrays={"held": {"bytes": np.array([0, peak])}},
            files={"peak.json": json.dumps(peak).encode()},
        )


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return a suite, and register a measurement that is gone after the test."""
    monkeypatch.setattr(MEASUREMENTS, "_entries", dict(MEASUREMENTS._entries))
    register_measurement("peak_memory")(PeakMemory)
    (tmp_path / "tiny.yaml").write_text(SUITE)
    return str(tmp_path / "tiny.yaml")


def test_a_measurement_from_one_file_is_planned_run_stored_and_listed(
    suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def skipbench(*arguments: str) -> str:
        assert main(list(arguments)) == 0
        return capsys.readouterr().out

    folder = tmp_path / "run"
    preview = skipbench("run", suite, "--dry-run")
    assert "2 h 00 min" in next(line for line in preview.splitlines() if "peak_memory" in line)
    skipbench("run", suite, "--jobs", "0", "--out", str(folder))
    run = open_run(folder)
    kinds = ("cost", "latency", "peak_memory", "train")
    assert [cell.kind for cell in run.cells()] == [kind for kind in kinds for _ in range(2)]
    assert run.suite["studies"][0]["peak_memory"] == {"batch_size": 4}
    records = {record.name: record for record in run.records()}
    for arm in ("fpn", "fpn / fusion=concat"):
        record, cost = (records[f"{kind} segmentation: {arm}"] for kind in ("peak_memory", "cost"))
        assert record.values == {"peak_memory/bytes": 4 * cost.values["peak_bytes/inference"]}
        assert (record.settings, record.notes) == ({"batch_size": 4}, [f"{arm} was measured."])
        held = np.load(folder / record.artifacts["held"])["bytes"]
        assert held[1] == json.loads((folder / record.artifacts["peak.json"]).read_text())
    assert skipbench("status", str(folder)).count("peak_memory segmentation: ") == 2
    assert [row["name"] for row in json.loads(skipbench("list", "measurements", "--format", "json"))] == list(kinds)
    skipbench("report", str(folder))
    table = pd.read_csv(folder / "report" / "tables" / "peak-memory.csv")
    assert table["arm"].tolist() == ["fpn", "fpn / fusion=concat"]
    assert table["peak_memory/bytes"].tolist() == [
        record.values["peak_memory/bytes"] for record in records.values() if record.kind == "peak_memory"
    ]
    page = (folder / "report" / "index.html").read_text()
    assert "Peak memory (MB)" in page
    assert "Results of the measurement &#39;peak_memory&#39; for each arm." in page
    skipbench("run", suite, "--jobs", "0", "--out", str(folder))
    assert run.records() == list(records.values()), "something was measured twice"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("peak_memory.batch=4", "in peak_memory: unknown key 'batch'. Did you mean 'batch_size'?"),
        ("peak_mem.batch_size=4", "in the suite: unknown key 'peak_mem'. Did you mean 'peak_memory'?"),
        ("peak_memory=4", "peak_memory is 4, expected a mapping (keys and values)."),
    ],
)
def test_its_options_are_checked_in_words(
    suite: str, capsys: pytest.CaptureFixture[str], override: str, sentence: str
) -> None:
    assert main(["run", suite, override, "--dry-run"]) == 2
    assert capsys.readouterr().err.startswith(f"skipbench: {sentence}")
