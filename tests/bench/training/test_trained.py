"""A trained network is loaded from its run, and predicts what it predicted when it was tested."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import skipbench
from skipbench.archs import PretrainedError
from skipbench.bench.cli import main
from skipbench.bench.errors import BenchError, StoreError
from skipbench.bench.records.store import open_run, write_run

SUITE = """
name: tiny
data: {name: scenes, size: [32, 32], train: 16, val: 4, test: 4}
model: {encoder: test_resnet, width: 8}
arms: [{model: fpn, sweep: {fusion: [add, concat]}}]
recipe: {images: 16, batch_size: 8, validations: 1, threads: 1, device: cpu, precision: 32-true}
seeds: [0, 1]
keep: all
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
studies: [{task: segmentation}, {task: pose, arms: [{model: fpn}]}]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(SUITE)
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.mark.parametrize("arm", ["fpn", "fpn / fusion=concat"])
def test_it_predicts_what_was_tested(run: Path, arm: str) -> None:
    trained = skipbench.load_trained(run, task="segmentation", arm=arm, seed=1)
    assert (trained.record.arm, trained.record.seed, trained.task) == (arm, 1, "segmentation")
    assert trained.size == (32, 32)
    assert trained.classes[0] == "background"
    assert len(trained.classes) == trained.network.spec.classes
    assert not trained.network.training
    shown = np.load(run / trained.record.artifacts["predictions"])
    images = torch.from_numpy(shown["images"]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = trained.network(trained.prepare(images)).argmax(1)
    assert np.array_equal(found, shown["prediction"])


def test_of_several_seeds_it_is_the_best_on_validation(run: Path) -> None:
    scores = {
        record.seed: record.values["val/pck@0.1"]
        for record in open_run(run).records()
        if record.task == "pose" and record.kind == "train"
    }
    assert len(scores) == 2
    assert skipbench.load_trained(run, task="pose").record.seed == max(scores, key=lambda seed: scores[seed])
    assert skipbench.load_trained(str(run), task="pose", seed=0).record.seed == 0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, r"more than one task; choose one with --task, in Python task=: 'segmentation', 'pose'\."),
        ({"task": "segmentation"}, r"more than one arm; .* in Python arm=: 'fpn', 'fpn / fusion=concat'\."),
        ({"task": "depth"}, r"no network of the task 'depth'; there is 'segmentation', 'pose'\."),
        ({"task": "pose", "arm": "unet"}, r"no network of the arm 'unet'; there is 'fpn'\."),
        ({"task": "pose", "seed": 7}, r"no network of the seed 7; there is 0, 1\."),
    ],
)
def test_what_there_is_is_named(run: Path, wanted: dict, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        skipbench.load_trained(run, **wanted)


def test_a_run_that_keeps_no_network_says_so(tmp_path: Path) -> None:
    with write_run(tmp_path, {}, []):
        pass
    with pytest.raises(BenchError, match="keeps no trained network"):
        skipbench.load_trained(tmp_path)
    with pytest.raises(StoreError, match="contains no run"):
        skipbench.load_trained(tmp_path / "none")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def drop(file: Path) -> None:
    saved = load_file(file)
    saved.pop(next(iter(saved)))
    save_file(saved, file)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(Path.unlink, "cannot be read"), (cut, "cannot be read"), (drop, "does not fit its spec: 1 tensors differ")],
)
def test_weights_that_cannot_be_used_are_named(run: Path, spoil: Callable[[Path], None], words: str) -> None:
    record = skipbench.load_trained(run, task="pose", seed=0).record
    file = run / record.artifacts["best.safetensors"]
    whole = file.read_bytes()
    spoil(file)
    try:
        with pytest.raises(PretrainedError, match=f"best.safetensors of 'train pose: fpn, seed 0' in .*{words}"):
            skipbench.load_trained(run, task="pose", seed=0)
    finally:
        file.write_bytes(whole)
