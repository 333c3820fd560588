"""Small run folders with made-up numbers: complete, partial, failed, and with hostile names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from skipbench.analysis.frames import Frames, load
from skipbench.bench.measure import measured_metrics
from skipbench.bench.records import Block, Cell, RunRecord
from skipbench.bench.records.metrics import Metric
from skipbench.bench.records.store import RunWriter, write_run
from skipbench.bench.tasks import TASKS

ARMS = ("unet / concat_wide", "unet / add", "fpn / add", "fpn / concat")
ENVIRONMENT = {"commit": "0123abc", "dirty": False, "cpu": "a made-up CPU", "versions": {"torch": "2.0"}}
KINDS = ("cost", "latency", "train")
SIZE = (16, 24)
DATA = {
    "size": list(SIZE),
    "counts": {"train": 60, "val": 20, "test": 30},
    "size_limits_px": [6.0, 12.0],
    "reference": "nose to tail",
}


@dataclass
class MadeUp:
    """A run to be written: its plan and what becomes of each cell."""

    arms: tuple[str, ...] = ARMS
    seeds: Iterable[int] = (0, 1)
    classes: tuple[str, ...] = ("ground", "car")
    studies: tuple[tuple[str, str], ...] = (("segmentation", "shapes"),)
    finished: Callable[[Cell], bool] = lambda cell: True
    failed: Callable[[Cell], bool] = lambda cell: False
    curves: bool = True  # whether trainings keep them, as they do since version 4
    reason: str = "loss became nan at image 64"
    suite: dict = field(
        default_factory=lambda: {"name": "made-up", "description": "Arms of our own.", "seeds": [0, 1]}
    )

    def write(self, folder: Path) -> Path:
        """Write the run folder."""
        cells = [self._cell(*where) for where in self._grid()]
        declared = {study: [*_scores(study[0]), *measured_metrics()] for study in self.studies}
        morph = {"morph": ["first", "last"], "steps": list(self.arms) if len(self.arms) > 1 else []}
        with write_run(folder, self.suite | {"studies": [{"arms": [morph]}]}, cells, declared) as run:
            run.save([self._record(cell, run) for cell in cells if self.finished(cell)])
        return folder

    def _grid(self):
        for task, dataset in self.studies:
            for kind in KINDS:
                for seed in self.seeds if kind == "train" else (None,):
                    yield from ((kind, arm, seed, task, dataset) for arm in self.arms)

    def _cell(self, kind: str, arm: str, seed: int | None, task: str, dataset: str) -> Cell:
        model, fusion, *stacks = arm.split(" / ")
        where = {"seed": seed, "task": task, "dataset": dataset, "arm": arm}
        identity = {
            **where,
            "spec": {"lateral": model, "post": model, "fusion": fusion, "stacks": "".join(stacks) or "1"},
        }
        return Cell(kind=kind, determines=identity, model=model, **identity)

    def _record(self, cell: Cell, run: RunWriter) -> RunRecord:
        base = {"environment": ENVIRONMENT, "data_fingerprint": "f00d", "created_at": "2030-01-02T03:04:05+00:00"}
        if self.failed(cell):
            return RunRecord(**cell.model_dump(), **base, status="failed", reason=self.reason)
        outcome = getattr(self, f"_{cell.kind}")(cell, self.arms.index(cell.arm))
        arrays = outcome.pop("arrays", None)
        tables = outcome.pop("tables", None)
        artifacts = run.save_artifacts(cell, {"predictions": arrays} if arrays else {}, tables=tables)
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
        values |= {"bytes/total": 4e6, "machine/macs_per_s": 1e10, "machine/bytes_per_s": 1e10}
        values |= {"elementwise/total": 3e5, "elementwise/norm": 3e5, "elementwise/fft": 0.0}
        values |= {"operators/unruled": float("mine" in cell.spec["fusion"])}
        return {"values": values, "notes": ["what is to be said of it"]}

    def _latency(self, cell: Cell, index: int) -> dict:
        samples = np.random.default_rng(index).gamma(50, (4 + index) / 50, 30)
        low, median, high = np.percentile(samples, [40, 50, 60])
        values = {"latency_ms/median": median, "latency_ms/low": low, "latency_ms/high": high}
        machine = {"process": 0, "calibration_ms": 1.0, "others_cores": 0.1}
        blocks = [Block(started_at=f"block {n}", positions=[index] * 5, **machine) for n in range(6)]
        settings = {"device": "cpu", "batch_size": 1, "blocks": 6, "margin": 0.03, "compared_with": self.arms[0]}
        return {"values": values, "samples": samples.tolist(), "settings": settings, "blocks": blocks}

    def _train(self, cell: Cell, index: int) -> dict:
        draw = np.random.default_rng([index, cell.seed])
        scores, arrays = getattr(self, f"_{cell.task}")(index, draw)
        values = {f"test/{key}": float(value) for key, value in scores.items()}
        values |= {"train/images": 2048.0, "train/images_per_s": 50.0 + index, "train/busy_share": 0.97}
        images, validated = np.arange(1, 101) * 20, np.arange(1, 5) * 500
        loss = np.exp(-images / 1000) * (1 + 0.1 * index) + draw.uniform(0, 0.05, 100)
        curve = {"images": images, "loss": loss, "lr": loss / 1000, "images_per_s": np.full(100, 50.0)}
        course = {f"val/{key}": value * validated / 2000 for key, value in scores.items()}
        pictures = np.random.default_rng(1).integers(0, 256, (3, *SIZE, 3)).astype(np.uint8)
        return {
            "values": values,
            "settings": {"images": 2048, "batch_size": 8, "lr": 0.001, "data": DATA},
            "arrays": {"images": pictures, **arrays},
            "tables": {"curve": curve, "validations": {"images": validated, **course}} if self.curves else {},
        }

    def _segmentation(self, index: int, draw: np.random.Generator) -> tuple[dict, dict]:
        classes = {f"iou/{name}": draw.uniform(0.5, 0.9) for name in self.classes}
        truth = np.random.default_rng(0).integers(0, len(self.classes), (3, *SIZE)).astype(np.uint8)
        truth[:, :2] = 255
        prediction = np.where(truth == 255, 0, np.roll(truth, index, axis=1)).astype(np.uint8)
        scores = {"miou": np.mean(list(classes.values())), "boundary_f": draw.uniform(0.3, 0.5), **classes}
        arrays = {
            "kind": np.array("label_maps"),
            "truth": truth,
            "prediction": prediction,
            "classes": np.array(self.classes),
        }
        return scores | _by_size("miou_by_size", draw), arrays

    def _pose(self, index: int, draw: np.random.Generator) -> tuple[dict, dict]:
        scores = {f"pck@{share}": draw.uniform(0.5, 0.6) + share for share in (0.05, 0.1, 0.2)}
        scores |= {"error_px": draw.uniform(2, 4), "pck@0.1/nose": 0.7, "pck@0.1/tail": 0.5}
        for key, visible, occluded in (("pck@0.1", 0.7, 0.4), ("error_px", 2.0, 5.0)):
            noise = draw.normal(0, 0.02, 2)
            scores |= {f"{key}_by_visibility/visible": visible + noise[0]}
            scores |= {f"{key}_by_visibility/occluded": occluded + noise[1]}
        truth = np.array([[[[4, 4], [12, 8], [20, 12]], [[8, 2], [np.nan] * 2, [np.nan] * 2]]] * 3, np.float32)
        shift = np.array([0, 1.5 * index], np.float32)
        arrays = {
            "kind": np.array("skeletons"),
            "truth": truth,
            "visibility": np.array([[[2, 1, 2], [2, 0, 0]]] * 3, np.uint8),
            "prediction": np.nan_to_num(truth) + shift,
            "lengths": np.full((3, 2), 20, np.float32),
            "joints": np.array(["nose", "back", "tail"]),
            "bones": np.array([[0, 1], [1, 2]]),
        }
        return scores | _by_size("pck@0.1_by_size", draw), arrays

    def _detection(self, index: int, draw: np.random.Generator) -> tuple[dict, dict]:
        classes = {f"ap/{name}": draw.uniform(0.2, 0.4) for name in self.classes}
        scores = {"ap": np.mean(list(classes.values())), "ap50": 0.5, "ap75": 0.3, "ar100": 0.45, **classes}
        truth = np.array([[[2, 2, 10, 10], [14, 4, 22, 14], [0, 0, 0, 0]]] * 3, np.float32)
        arrays = {
            "kind": np.array("boxes"),
            "truth_boxes": truth,
            "truth_labels": np.array([[0, 1, -1]] * 3),
            "boxes": truth + index,
            "labels": np.array([[0, 1, -1]] * 3),
            "scores": np.array([[0.9, 0.4, 0.0]] * 3, np.float32),
            "classes": np.array(self.classes),
        }
        return scores | _by_size("ap_by_size", draw) | _by_size("ar_by_size", draw), arrays


def _scores(task: str) -> list[Metric]:
    declared = [score for scorer in TASKS[task].scorers for score in scorer.scores]
    return [*(score.on("test") for score in declared), *(score.on("val") for score in declared)]


def _by_size(prefix: str, draw: np.random.Generator) -> dict[str, float]:
    """Return scores that grow with size; no image has anything of medium size."""
    return {f"{prefix}/small": draw.uniform(0.1, 0.3), f"{prefix}/large": draw.uniform(0.6, 0.8)}


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
