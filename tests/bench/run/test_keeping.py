"""Which trained networks stay in a run folder."""

from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.records import WEIGHTS, RunRecord
from skipbench.bench.records.store import open_run

ONE_ARM = ("arms=[{model: fpn}]", "seeds=[0, 1, 2]")


def trainings(run: Path) -> list[RunRecord]:
    return [record for record in open_run(run).records() if record.kind == "train"]


def networks(run: Path) -> set[str]:
    return {file.name.partition(".")[0] for file in (run / "artifacts").glob(f"*.{WEIGHTS}")}


@pytest.mark.parametrize("order", [("seeds=[0, 1, 2]",), ("seeds=[2]", "seeds=[2, 1]", "seeds=[2, 1, 0]")])
def test_the_best_of_an_arms_seeds_stays_whatever_the_order(
    tiny_suite: str, tmp_path: Path, skipbench: Any, order: tuple[str, ...]
) -> None:
    run = tmp_path / "run"
    for seeds in order:
        assert skipbench("run", tiny_suite, "arms=[{model: fpn}]", seeds, "--out", run).code == 0
    best = max(trainings(run), key=lambda record: (record.values["val/miou"], -(record.seed or 0)))
    assert networks(run) == {best.cell_id}
    assert [record.cell_id for record in trainings(run) if WEIGHTS in record.artifacts] == [best.cell_id]


@pytest.mark.parametrize(("keep", "count"), [("all", 3), ("none", 0)])
def test_all_networks_stay_or_none(tiny_suite: str, tmp_path: Path, skipbench: Any, keep: str, count: int) -> None:
    run = tmp_path / "run"
    preview = skipbench("run", tiny_suite, *ONE_ARM, f"keep={keep}", "--out", run, "--dry-run")
    told = f"The trained networks that it keeps (keep: {keep}) take "
    assert (told in preview.out) == (keep == "all")
    assert skipbench("run", tiny_suite, *ONE_ARM, f"keep={keep}", "--out", run).code == 0
    assert len(networks(run)) == count
    assert skipbench("run", tiny_suite, *ONE_ARM, "keep=some", "--out", run).code == 2
