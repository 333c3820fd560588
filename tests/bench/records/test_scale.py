"""Large run folders: the time that a cell takes is small, whatever the number of cells."""

import time
from collections.abc import Callable
from pathlib import Path

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import open_run, write_run

SPEC = {f"factor {number}": "conv3x3" for number in range(30)}
VALUES = {f"test/iou/{number}": number / 60 for number in range(60)}
CELLS = [
    Cell(
        kind="train", arm="unet", model="unet", task="pose", dataset="scenes", seed=seed, spec=SPEC,
        determines={"spec": SPEC, "seed": seed},
    ) for seed in range(1000)
]  # fmt: skip


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_a_thousand_cells_are_written_and_read_in_moments(tmp_path: Path) -> None:
    with write_run(tmp_path, {}, CELLS) as run:
        run.save([RunRecord.of(cell, status="ok", values=VALUES) for cell in CELLS])

    def start() -> None:
        with write_run(tmp_path, {}, CELLS) as run:
            assert run.missing() == []

    read = open_run(tmp_path)
    assert cpu_s(start) < 1
    assert cpu_s(read.states) < 0.5
    assert cpu_s(read.outcomes) < 1
