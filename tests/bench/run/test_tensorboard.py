"""TensorBoard's files: what its own reader finds in them is what the run has."""

import sys
from pathlib import Path
from typing import Any

import pytest

from skipbench.analysis.frames import load
from skipbench.bench.records import Cell
from skipbench.bench.run.tensorboard import Events

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder: Path) -> dict[str, list[Any]]:
    """Return the events of a training by tag."""
    read = event_accumulator.EventAccumulator(str(folder))
    read.Reload()
    return {tag: read.Scalars(tag) for tag in read.Tags()["scalars"]}


def test_every_training_has_its_curves_and_validations(tiny_suite: str, tmp_path: Path, skipbench: Any) -> None:
    run = tmp_path / "run"
    assert skipbench("run", tiny_suite, "--out", run, "--tensorboard").code == 0
    folders = sorted(path.parent for path in (run / "tensorboard").rglob("events.*"))
    frames = load(run)
    assert len(folders) == len(frames.runs)
    for (arm, seed), curve in frames.curves.groupby(["arm", "seed"]):
        found = scalars(run / "tensorboard" / arm.replace(" / ", "_") / f"seed{seed}")
        assert found.keys() >= {"train/loss", "train/lr", "train/images_per_s", "val/miou"}
        assert [event.step for event in found["train/loss"]] == curve.images.tolist()
        assert [event.value for event in found["train/loss"]] == pytest.approx(curve.loss.tolist())
        own = frames.validations[(frames.validations.arm == arm) & (frames.validations.seed == seed)]
        assert [event.value for event in found["val/miou"]] == pytest.approx(own["val/miou"].tolist())
        times = [event.wall_time for event in found["train/loss"]]
        assert times == sorted(times)


def test_a_run_that_has_finished_gets_them_too_and_a_name_has_the_file_of_one_cell(
    tiny_suite: str, tmp_path: Path, skipbench: Any
) -> None:
    run = tmp_path / "run"
    short = (tiny_suite, "--out", run, "seeds=[0]")
    assert skipbench("run", *short).code == 0
    assert not (run / "tensorboard").exists()
    assert skipbench("run", *short, "--tensorboard").code == 0
    before = sorted((run / "tensorboard").rglob("events.*"))
    assert len(before) == len(load(run).runs)
    assert skipbench("run", *short, "recipe.images=24", "--tensorboard").code == 0
    after = sorted((run / "tensorboard").rglob("events.*"))
    assert [file.parent for file in after] == [file.parent for file in before]
    assert not set(after) & set(before)
    assert max(event.step for event in scalars(after[0].parent)["train/loss"]) == 24


def test_folders_are_told_apart_whatever_arms_are_called(tmp_path: Path) -> None:
    names = ("unet / add", "unet // add", "..", "/etc", "a" * 300)
    cells = [
        Cell(kind="train", arm=arm, model="unet", task=task, dataset="x", seed=0, spec={}, determines={"arm": arm})
        for arm in names
        for task in ("pose", "detection")
    ]
    events = Events(tmp_path, cells)
    assert len(set(events._arms.values())) == len(names)
    assert all((tmp_path / name).resolve().parent == tmp_path.resolve() for name in events._arms.values())
    assert events._studies == {"pose-on-x": "pose-on-x", "detection-on-x": "detection-on-x"}
    assert Events(tmp_path, cells[:1])._studies == {"pose-on-x": ""}


def test_without_tensorboard_it_is_one_sentence(
    tiny_suite: str, tmp_path: Path, skipbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = skipbench("run", tiny_suite, "--out", tmp_path / "run", "--tensorboard")
    assert outcome.code == 2
    assert outcome.err == "skipbench: --tensorboard needs TensorBoard: pip install 'skipbench[tensorboard]'.\n"
    assert not (tmp_path / "run").exists()
