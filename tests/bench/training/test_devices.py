"""A training on several devices takes the steps of one on a single device; here they are processes on the CPU."""

import importlib
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from skipbench.archs import build_model, resolve_spec
from skipbench.bench.advance import Advance
from skipbench.bench.data import Data, open_data
from skipbench.bench.records import Outcome
from skipbench.bench.signals import Stopped
from skipbench.bench.tasks import Task, create_task
from skipbench.bench.training import Recipe, machine, train
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.elastic import Elastic
from skipbench.bench.training.machine import MachineError, require_devices
from skipbench.bench.training.processes import RankError, together
from skipbench.bench.training.ranks import Ranks

RECIPE = Recipe(images=48, batch_size=12, validations=2, threads=1, device="cpu", precision="32-true")
CLOCKED = ("train/seconds", "train/images_per_s", "train/busy_share")
CASES = [  # batches of 12 are shared out by 6, where 4 neighbours share a draw; images have unlike numbers of boxes
    ("segmentation", {"head_dropout": 0.2}, Augmentation(elastic=Elastic(sigma=2.0))),
    ("pose", {"dropout": 0.2, "supervision": "levels"}, Augmentation()),
    ("detection", {}, Augmentation()),
]


def subject(name: str, factors: dict[str, Any]) -> tuple[Data, Task, Any]:
    data = open_data("scenes", size=(32, 48), train=20, val=4, test=4)
    task = create_task(name, data.info)
    spec = resolve_spec("fpn", **{**task.factors, "encoder": "test_resnet", "width": 8, **factors})
    return data, task, partial(build_model, spec)


def run(devices: int, case: int, advance: Advance | None = None) -> Outcome:
    name, factors, augmentation = CASES[case]
    data, task, build = subject(name, factors)
    recipe = RECIPE.model_copy(update={"devices": devices, "augmentation": augmentation})
    return train(build, data, task, recipe, 0, advance)


@pytest.mark.parametrize("case", range(len(CASES)), ids=[name for name, *_ in CASES])
def test_two_devices_train_as_one_does(case: int) -> None:
    """Loss, gradients, BatchNorm's statistics, dropout, order and augmentation are those of the whole batch."""
    before = torch.get_rng_state()
    one, two = run(1, case), run(2, case)
    assert np.allclose(one.tables["curve"]["loss"], two.tables["curve"]["loss"], rtol=0, atol=1e-5)
    assert one.values.keys() == two.values.keys()
    for key in one.values.keys() - {*CLOCKED}:
        assert two.values[key] == pytest.approx(one.values[key], rel=1e-4, abs=1e-5), key
    weights, others = (load(outcome.files["best.safetensors"]) for outcome in (one, two))
    assert weights.keys() == others.keys()
    errors = torch.cat([(weights[name].double() - others[name]).abs().flatten() for name in weights])
    # AdamW divides by the size of gradients, which where they are all but 0 is that of rounding
    assert (errors < 1e-5).double().mean() > 0.99
    assert errors.max() < RECIPE.lr
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.distributed.is_initialized()


def test_a_training_on_two_devices_goes_on_with_the_same_bits() -> None:
    states: list[bytes] = []

    def keep(state: bytes) -> None:
        states.append(state)
        if len(states) == 2:
            raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped):
        run(2, 0, Advance(keep=keep, every_s=0))
    one, other = run(2, 0), run(2, 0, Advance(state=states[-1]))
    assert not other.notes
    for key in one.values.keys() - {*CLOCKED}:
        assert one.values[key] == other.values[key], key


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("settings", [Augmentation(elastic=Elastic()), Augmentation().geometry])
def test_a_part_of_a_batch_is_varied_as_in_the_whole(count: int, settings: Augmentation) -> None:
    data = open_data("scenes", size=(32, 48), train=12, val=1, test=1)
    samples = [data.train[index] for index in range(12)]
    batch = {key: torch.stack([sample[key] for sample in samples]) for key in ("image", "mask")}
    augment, size = Augmenter(settings, data.info), 12 // count
    whole = augment(batch, 3)
    for own in range(count):
        part = Ranks(own, count).part(12)
        varied = augment({key: value[part] for key, value in batch.items()}, 3, part.start, 12)
        assert len(varied["image"]) == size
        assert torch.allclose(varied["image"], whole["image"][part], rtol=0, atol=1e-6)
        assert torch.equal(varied["mask"], whole["mask"][part])


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("raise ValueError('rank %d of %d' % (ranks.own, ranks.count))", "device 1 fails: ValueError: rank 1 of 2"),
        ("import os; os._exit(3)", "device 1 fails: its process ended without a result."),
    ],
)
def test_another_devices_failure_is_told_in_a_sentence(
    deed: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deeds_of_ranks.py").write_text(f"def follow(ranks):\n    {deed}\n")
    monkeypatch.syspath_prepend(tmp_path)
    follow = importlib.import_module("deeds_of_ranks").follow
    with pytest.raises(RankError, match=reason), together(follow, 2, torch.device("cpu")) as ranks:
        ranks.average(torch.ones(1))
    assert not torch.distributed.is_initialized()
    del sys.modules["deeds_of_ranks"]


def test_devices_that_are_not_there_or_share_no_batch_are_refused(
    tiny_suite: str, tmp_path: Path, skipbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = skipbench("run", tiny_suite, "recipe.devices=3", "recipe.batch_size=8", "--out", tmp_path / "run")
    assert found.code == 2
    assert "batch_size is 8, which devices: 3 cannot share; give a multiple." in found.err
    monkeypatch.setattr(machine.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(MachineError, match="2 devices were requested, but torch finds 1 GPUs"):
        require_devices(torch.device("cuda"), 2)
