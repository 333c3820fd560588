"""Small run folders with made-up numbers: complete, partial, failed, and with hostile names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from analysis.frames import Frames, load
from bench.records import Cell, RunRecord
from bench.store import RunWriter, write_run

ARMS = ("unet / concat_wide", "unet / add", "fpn / add", "fpn / concat")
ENVIRONMENT = {"commit": "0123abc", "dirty": False, "cpu": "a made-up CPU", "versions": {"torch": "2.0"}}
KINDS = ("cost", "latency", "train")


@dataclass
class MadeUp:
    """A run to be written: its plan and what becomes of each cell."""

    arms: tuple[str, ...] = ARMS
    seeds: Iterable[int] = (0, 1)
    classes: tuple[str, ...] = ("ground", "car")
    datasets: tuple[str, ...] = ("shapes",)
    finished: Callable[[Cell], bool] = lambda cell: True
    failed: Callable[[Cell], bool] = lambda cell: False
    reason: str = "loss became nan at image 64"
    suite: dict = field(
        default_factory=lambda: {"name": "made-up", "description": "Arms of our own.", "seeds": [0, 1]}
    )

    def write(self, folder: Path) -> Path:
        """Write the run folder."""
        cells = [self._cell(*where) for where in self._grid()]
        with write_run(folder, self.suite, cells) as run:
            run.save([self._record(cell, run) for cell in cells if self.finished(cell)])
        return folder

    def _grid(self):
        for dataset in self.datasets:
            for kind in KINDS:
                for seed in self.seeds if kind == "train" else (None,):
                    yield from ((kind, arm, seed, dataset) for arm in self.arms)

    def _cell(self, kind: str, arm: str, seed: int | None, dataset: str) -> Cell:
        model, fusion = arm.split(" / ")
        identity = {"seed": seed, "dataset": dataset, "spec": {"encoder": "tiny", "fusion": fusion}, "arm": arm}
        names = {"model": model, "fusion": fusion, "encoder": "tiny", "task": "segmentation"}
        return Cell(kind=kind, determines=identity, **identity, **names)

    def _record(self, cell: Cell, run: RunWriter) -> RunRecord:
        base = {"environment": ENVIRONMENT, "data_fingerprint": "f00d", "created_at": "2030-01-02T03:04:05+00:00"}
        if self.failed(cell):
            return RunRecord(**cell.model_dump(), **base, status="failed", reason=self.reason)
        outcome = getattr(self, f"_{cell.kind}")(cell, self.arms.index(cell.arm))
        arrays = outcome.pop("arrays", None)
        artifacts = {"predictions": run.save_arrays(cell, arrays)} if arrays else {}
        return RunRecord(**cell.model_dump(), **base, status="ok", artifacts=artifacts, **outcome)

    def _cost(self, cell: Cell, index: int) -> dict:
        parts = {
            "encoder": 600_000.0,
            "lateral": 20_000.0,
            "fusion": 5_000.0 * index,
            "decoder": 40_000.0,
            "head": 130.0,
        }
        total = sum(parts.values())
        values = {f"params/{part}": count for part, count in parts.items()} | {"params/total": total}
        values |= {f"macs/{part}": 400 * count for part, count in parts.items()} | {"macs/total": 400 * total}
        return {"values": values, "notes": ["not counted as MACs: relu_ 3x."]}

    def _latency(self, cell: Cell, index: int) -> dict:
        samples = np.random.default_rng(index).gamma(50, (4 + index) / 50, 30)
        low, median, high = np.percentile(samples, [40, 50, 60])
        values = {"latency_ms/median": median, "latency_ms/low": low, "latency_ms/high": high}
        return {"values": values, "samples": samples.tolist(), "settings": {"device": "cpu", "batch_size": 1}}

    def _train(self, cell: Cell, index: int) -> dict:
        draw = np.random.default_rng([index, cell.seed])
        classes = {f"test/iou/{name}": float(draw.uniform(0.5, 0.9)) for name in self.classes}
        values = {"test/miou": float(np.mean(list(classes.values()))), "train/images": 2048.0, **classes}
        truth = np.random.default_rng(0).integers(0, len(self.classes), (3, 16, 24)).astype(np.uint8)
        truth[:, :2] = 255
        arrays = {
            "images": np.random.default_rng(1).integers(0, 256, (3, 16, 24, 3)).astype(np.uint8),
            "truth": truth,
            "prediction": np.where(truth == 255, 0, np.roll(truth, index, axis=1)).astype(np.uint8),
            "classes": np.array(self.classes),
        }
        return {"values": values, "settings": {"images": 2048, "lr": 0.001}, "arrays": arrays}


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> Callable[..., Path]:
    """Write a run folder; arguments are those of MadeUp."""
    return lambda **what: MadeUp(**what).write(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def study(made_up) -> Callable[..., Frames]:
    """Write a run of one study and load it."""

    def load_study(**what) -> Frames:
        (found,) = load(made_up(**what)).studies()
        return found

    return load_study
