"""Cells of other folders are taken only where all that determines them is equal."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import open_run, write_run
from skipbench.bench.run.environment import environment
from skipbench.bench.run.reuse import reuse

HERE = environment() | {"cpu": "a CPU"}


def make_cell(kind: str, seed: int = 0, device: str = "cpu") -> Cell:
    return Cell(
        kind=kind, arm="unet", model="unet", task="pose", dataset="scenes", seed=seed, spec={},
        determines={"seed": seed, "options": {"device": device}},
    )  # fmt: skip


def write(folder: Path, cells: list[Cell], there: dict[str, Any], status: str = "ok") -> None:
    with write_run(folder, {}, cells) as run:
        for cell in cells:
            artifacts = run.save_artifacts(cell, {"predictions": {"x": np.arange(cell.seed or 9)}})
            run.save([RunRecord.of(cell, status=status, environment=there, artifacts=artifacts)])


def take(tmp_path: Path, cell: Cell, changed: dict[str, Any]) -> str:
    write(tmp_path / "theirs", [cell], HERE | changed)
    with write_run(tmp_path / "mine", {}, [cell]) as run:
        return str(reuse(run, open_run(tmp_path / "theirs"), HERE))


def test_records_come_with_their_files_and_under_the_labels_of_the_plan(tmp_path: Path) -> None:
    cells = [make_cell("train", seed) for seed in range(4)]
    write(tmp_path / "theirs", cells[:3], HERE)
    mine = [cell.model_copy(update={"arm": "mine"}) for cell in cells]
    with write_run(tmp_path / "mine", {}, mine[1:]) as run:
        assert reuse(run, open_run(tmp_path / "theirs"), HERE).taken == 2
        assert run.missing() == [mine[3]]
    records = open_run(tmp_path / "mine").records()
    assert [(record.arm, record.seed) for record in records] == [("mine", 1), ("mine", 2)]
    for record in records:
        file = record.artifacts["predictions"]
        assert os.path.samefile(tmp_path / "mine" / file, tmp_path / "theirs" / file), "it takes room twice"


def test_where_there_are_no_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*files: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert take(tmp_path, make_cell("train"), {}) == "cells taken: 1"
    (theirs, mine) = (next((tmp_path / run / "artifacts").glob("*.npz")) for run in ("theirs", "mine"))
    assert mine.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("kind", "device", "changed", "reason"),
    [
        ("train", "cpu", {}, None),
        ("train", "cpu", {"platform": "another kernel", "cores": 99, "gpu": "a GPU", "commit": "0123"}, None),
        ("cost", "cpu", {"python": HERE["python"].rpartition(".")[0] + ".99", "threads": 99}, None),
        ("train", "cpu", {"versions": HERE["versions"] | {"torch": "0.4"}}, "torch 0.4 there, "),
        ("train", "cpu", {"versions": None}, "torch None there, "),
        ("train", "cpu", {"python": "2.7.18"}, "Python 2.7 there, "),
        ("train", "cpu", {"cpu": "another"}, "cpu 'another' there, 'a CPU' here"),
        ("train", "cuda", {"gpu": "a GPU"}, "gpu 'a GPU' there, "),
        ("latency", "cpu", {}, None),
        ("latency", "cpu", {"platform": "another kernel"}, "platform 'another kernel' there, "),
        ("latency", "cpu", {"cores": 99}, "cores 99 there, "),
        ("latency", "cpu", {"gpu": "a GPU"}, "gpu 'a GPU' there, "),
    ],
)
def test_the_rule(tmp_path: Path, kind: str, device: str, changed: dict[str, Any], reason: str | None) -> None:
    said = take(tmp_path, make_cell(kind, device=device), changed)
    assert said.startswith(f"cells taken: 0; refused: 1 ({reason}" if reason else "cells taken: 1"), said
    assert len(open_run(tmp_path / "mine").records()) == (reason is None)


def test_a_processor_without_a_name_is_not_known_to_be_the_same(tmp_path: Path) -> None:
    cell, unnamed = make_cell("train"), HERE | {"cpu": None}
    write(tmp_path / "theirs", [cell], unnamed)
    with write_run(tmp_path / "mine", {}, [cell]) as run:
        assert reuse(run, open_run(tmp_path / "theirs"), unnamed).taken == 0


def test_what_failed_is_not_taken_and_what_lost_its_file_is_refused(tmp_path: Path) -> None:
    cells = [make_cell("train", seed) for seed in range(3)]
    write(tmp_path / "failed", cells, HERE, status="failed")
    write(tmp_path / "theirs", cells, HERE)
    lost, led_away, _ = ((tmp_path / "theirs" / "artifacts" / f"{cell.cell_id}.predictions.npz") for cell in cells)
    lost.unlink()
    led_away.unlink()
    led_away.symlink_to("/etc/hostname")
    with write_run(tmp_path / "mine", {}, cells) as run:
        assert str(reuse(run, open_run(tmp_path / "failed"), HERE)) == "cells taken: 0"
        assert reuse(run, open_run(tmp_path / "theirs"), HERE) == (1, {"a file of its predictions is missing": 2})


def test_the_command_measures_only_what_no_folder_has(tiny_suite: str, tmp_path: Path, skipbench: Any) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    short = ("arms=[{model: fpn}]", "recipe.images=8")
    assert skipbench("run", tiny_suite, *short, "seeds=[0]", "--out", first).code == 0
    refused = skipbench("run", tiny_suite, "--out", second, "--reuse", tmp_path / "nothing")
    assert (refused.code, second.exists()) == (2, False)
    grown = skipbench("run", tiny_suite, *short, "seeds=[0, 1]", "--out", second, "--reuse", first)
    assert f"{first}: cells taken: 3" in grown.out
    assert "4 of 4 cells" in grown.out
    taken = {record.cell_id: record for record in open_run(first).records()}
    assert [taken.get(record.cell_id) == record for record in open_run(second).records()] == [True] * 3 + [False]
