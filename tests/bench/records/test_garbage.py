"""What is removed is what the newest plan doesn't name, and only where nobody else holds the folder."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from skipbench.bench.errors import StoreError
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.garbage import collect_garbage
from skipbench.bench.records.store import open_run, write_run


def make_cell(seed: int) -> Cell:
    return Cell(
        kind="train", arm="unet", model="unet", task="pose", dataset="scenes",
        seed=seed, spec={}, determines={"seed": seed},
    )  # fmt: skip


CELLS = [make_cell(seed) for seed in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a run of two plans: cell 0 stands aside, cell 2 was killed when its file was written."""
    with write_run(tmp_path, {}, CELLS[:2]) as run:
        run.save([saved(run, cell) for cell in CELLS[:2]])
    with write_run(tmp_path, {}, CELLS[1:]) as run:
        saved(run, CELLS[2])
    (tmp_path / "artifacts" / ".skipbench-0000.partial").write_bytes(b"half")
    return tmp_path


def saved(run, cell: Cell) -> RunRecord:
    artifacts = run.save_artifacts(cell, {"predictions": {"x": np.ones(9)}}, {"notes.txt": b"text"})
    return RunRecord.of(cell, status="ok", artifacts=artifacts)


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "artifacts").iterdir()}


def test_what_the_plan_names_stays(folder: Path) -> None:
    before, kept, size = open_run(folder).records(), files(folder), (folder / "run.sqlite").stat().st_size
    planned = collect_garbage(folder, dry_run=True)
    assert (open_run(folder).count_aside(), files(folder)) == (1, kept), "a dry run removed something"
    assert (planned.cells, planned.records, len(planned.files)) == (1, 1, 5)
    assert planned.size_bytes > sum(file.stat().st_size for file in planned.files)
    assert collect_garbage(folder) == planned
    assert files(folder) == {f"{CELLS[1].cell_id}.{name}" for name in ("predictions.npz", "notes.txt")}
    assert (open_run(folder).records(), open_run(folder).count_aside()) == (before, 0)
    with sqlite3.connect(folder / "run.sqlite") as database:
        assert database.execute("SELECT count(*) FROM meta WHERE key LIKE 'digest/%'").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM meta WHERE key LIKE 'cell/%'").fetchone() == (2,)
    assert (folder / "run.sqlite").stat().st_size <= size
    assert collect_garbage(folder).size_bytes == 0


def test_the_files_of_a_record_that_cannot_be_read_stay(folder: Path) -> None:
    with sqlite3.connect(folder / "run.sqlite") as database:
        database.execute("UPDATE records SET content = '{' WHERE cell_id = ?", (CELLS[1].cell_id,))
    collect_garbage(folder)
    assert len(files(folder)) == 2


def test_a_folder_in_use_or_without_a_run_is_left_as_it_is(folder: Path, tmp_path: Path) -> None:
    with write_run(folder, {}, CELLS[1:]), pytest.raises(StoreError, match="in use by another"):
        collect_garbage(folder)
    assert open_run(folder).count_aside() == 1
    with pytest.raises(StoreError, match="contains no run"):
        collect_garbage(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
