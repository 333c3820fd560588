"""How a machine's cores are shared out: so many sessions side by side, on so many threads each."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from skipbench.bench.errors import StoreError
from skipbench.bench.records.store import open_run
from skipbench.bench.suites import Suite
from skipbench.bench.suites.morphs import arms_of
from skipbench.bench.training.machine import resolve_device


@dataclass(frozen=True)
class Share:
    """`jobs` sessions side by side; a training for which the suite states no threads has `threads`."""

    jobs: int
    threads: int
    gpus: tuple[str, ...] = ()  # by the names that CUDA_VISIBLE_DEVICES takes

    def __str__(self) -> str:
        what = f"{self.jobs} cells side by side" if self.jobs > 1 else "One cell at a time"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{what}, on {len(self.gpus)} GPUs." if self.gpus else f"{what}, on {threads} each."


def share_out(suite: Suite, jobs: int | None, directory: Path) -> Share:
    """Return how many cells of `suite` run side by side, `jobs` where that is given, and on how many threads each.

    Threads change the bits of a result, so they are part of it: as the suite states them, or else as the run in
    `directory` has them already. Where neither does, each cell gets its part of the cores; without `jobs`, there
    are as many cells side by side as there are cores, since one thread each wastes least, or one per GPU.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cells = sum(len(study.seeds) * arms_of(study) for study in suite.studies)
    recipes = [study.sections.get("recipe", {}) for study in suite.studies]
    gpus = _gpus() if any(recipe.get("device", "auto") != "cpu" for recipe in recipes) else ()
    threads = settled_threads(suite, directory)
    most = len(gpus) or max(1, cores // (threads or 1))
    chosen = jobs or max(1, min(most, cells))
    return Share(chosen, threads or max(1, cores // chosen), gpus)


def _gpus() -> tuple[str, ...]:
    if resolve_device("auto").type != "cuda":
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(visible.split(",")) if visible else tuple(map(str, range(torch.cuda.device_count())))


def settled_threads(suite: Suite, directory: Path) -> int | None:
    """Return the most threads that a training has by the suite, or else by the run in `directory`, if by any."""
    stated = [study.sections.get("recipe", {}).get("threads") or 0 for study in suite.studies]
    if all(stated):
        return int(max(stated))
    try:
        studies = open_run(directory).suite["studies"]
        return int(max(study["recipe"]["threads"] for study in studies))
    except (StoreError, KeyError, TypeError, ValueError):
        return None
