"""What `status` says of a run that has grown, and `gc` of what it removes."""

from pathlib import Path
from typing import Any

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import write_run

CELLS = [
    Cell(
        kind="train", arm="unet", model="unet", task="pose", dataset="scenes",
        seed=seed, spec={}, determines={"seed": seed},
    ) for seed in range(4)
]  # fmt: skip


def test_what_the_plan_has_lacks_and_leaves_aside(tmp_path: Path, skipbench: Any) -> None:
    with write_run(tmp_path, {"name": "mine"}, CELLS[:3]) as run:
        run.save([RunRecord.of(cell, status="ok") for cell in CELLS[:3]])
    with write_run(tmp_path, {"name": "mine"}, CELLS[2:]):
        pass
    status = skipbench("status", tmp_path).out
    assert "1 ok, 0 failed, 1 missing of 2 cells." in status
    assert f"2 cells of earlier plans are kept aside; --all lists them, skipbench gc {tmp_path} removes" in status
    assert "seed 0" not in status
    assert "seed 0  ok" in skipbench("status", tmp_path, "--all").out
    assert (
        "Would remove what the newest plan doesn't name: cells 2, records 2"
        in skipbench("gc", tmp_path, "--dry-run").out
    )
    assert "Removed what the newest plan doesn't name: cells 2, records 2" in skipbench("gc", tmp_path).out
    assert "earlier plans" not in skipbench("status", tmp_path).out
