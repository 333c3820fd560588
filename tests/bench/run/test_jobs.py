"""Sharing out the cores: threads are part of a result, jobs are not."""

from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.run import jobs
from skipbench.bench.run.jobs import Share, share_out
from skipbench.bench.suites import load_suite
from skipbench.bench.suites.morphs import arms_of
from skipbench.bench.suites.plan import make_plan

ONE_SEED, ONE_ARM = "seeds=[0]", "arms=[{model: fpn}]"


@pytest.fixture(autouse=True)
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)), raising=False)


@pytest.mark.parametrize(
    ("overrides", "asked", "expected"),
    [
        ([], None, Share(4, 1)),  # four cells, one thread each, as the suite states
        ([], 2, Share(2, 1)),
        (["recipe.threads=8"], None, Share(2, 8)),
        (["recipe.threads=32"], None, Share(1, 32)),
        (["recipe.threads=null"], None, Share(4, 4)),  # each cell its part of the cores
        (["recipe.threads=null"], 2, Share(2, 8)),
        (["recipe.threads=null", ONE_SEED, ONE_ARM], None, Share(1, 16)),
    ],
)
def test_cells_get_the_threads_that_are_stated_or_their_part(
    tiny_suite: str, tmp_path: Path, overrides: list[str], asked: int | None, expected: Share
) -> None:
    assert share_out(load_suite(tiny_suite, overrides), asked, tmp_path) == expected


def test_each_step_of_a_morph_is_an_arm_and_so_is_each_double(tiny_suite: str) -> None:
    morph = load_suite(tiny_suite, ["arms=[{morph: [hourglass, fpn]}]"])
    assert arms_of(morph.studies[0]) == len(make_plan(morph).studies[0].arms) == 7
    matched = load_suite(tiny_suite, ["match={by: params, to: fpn}", "arms=[{sweep: {model: [unet, fpn]}}]"])
    assert arms_of(matched.studies[0]) == 4


def test_a_run_keeps_the_threads_that_it_has(tiny_suite: str, tmp_path: Path, skipbench: Any) -> None:
    run = tmp_path / "run"
    assert skipbench("run", tiny_suite, ONE_SEED, ONE_ARM, "recipe.threads=2", "--out", run).code == 0
    unstated = load_suite(tiny_suite, ["recipe.threads=null"])
    assert share_out(unstated, None, run) == Share(4, 2)


def test_a_cell_per_gpu(tiny_suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_gpus", lambda: ("2", "5"))
    on_gpu = load_suite(tiny_suite, ["recipe.device=auto"])
    assert share_out(on_gpu, None, tmp_path) == Share(2, 1, ("2", "5"))
    assert share_out(load_suite(tiny_suite), None, tmp_path) == Share(4, 1)


@pytest.mark.parametrize("asked", ["two", "-1", "1.5", ""])
def test_other_jobs_are_refused(tiny_suite: str, tmp_path: Path, skipbench: Any, asked: str) -> None:
    outcome = skipbench("run", tiny_suite, "--jobs", asked, "--out", tmp_path / "run")
    assert (outcome.code, outcome.err) == (2, f"skipbench: --jobs is '{asked}', expected a number, or auto.\n")
