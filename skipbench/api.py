"""One call each for a notebook: what networks cost, how fast they are, a run, its tables, its report."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from torch import nn

from skipbench.analysis import Frames, load
from skipbench.analysis.latency import compare
from skipbench.archs import ArchSpec
from skipbench.bench.attempt import insist
from skipbench.bench.measure import cost as costs
from skipbench.bench.measure.latency import LatencyOptions, measure_latency
from skipbench.bench.plugins import load_plugins
from skipbench.bench.run.here import Here
from skipbench.bench.run.runner import run_plan
from skipbench.bench.run.workers import Workers
from skipbench.bench.suites import load_suite
from skipbench.bench.suites.matching import with_widths_of
from skipbench.bench.suites.minutes import with_images_of
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.validation import parse
from skipbench.reports import write_plot as plot
from skipbench.reports import write_report as report

__all__ = ["cost", "latency", "open_run", "plot", "report", "run"]


def cost(model: nn.Module | ArchSpec, image_size: tuple[int, int] = (256, 256)) -> pd.Series:
    """Return what one image of (H, W) pixels costs: parameters, MACs, element-wise operations, bytes, by key.

    Raises BenchError where the network does not take such an image.
    """
    outcome = insist(partial(costs.cost, model, image_size), "cost")
    return pd.Series(outcome.values)


def latency(builders: Mapping[str, Callable[[], nn.Module]], **options: Any) -> pd.DataFrame:
    """Time networks in turns, built afresh in every block, and return each one's ratio to the first.

    `options` are those of a suite's section `latency`: size=[256, 256], batch_size, threads, blocks ... The columns
    are arm, ratio, low and high (its 95 % interval), p_holm, verdict, and median_ms. Raises BenchError.
    """
    given = parse(LatencyOptions, {"size": [256, 256], **options}, place="latency")
    contenders = {name: given.contender(build) for name, build in builders.items()}
    timed = insist(partial(measure_latency, contenders, given, lambda share: None), "latency")
    table = compare(timed, next(iter(builders)), given.margin, given.blocks)
    medians = [outcome.values["latency_ms/median"] for outcome in timed.values()]
    return table[["arm", "ratio", "low", "high", "p_holm", "verdict"]].assign(median_ms=medians)


def run(suite: str, *overrides: str, out: Path | str, plugins: Iterable[Path | str] = (), jobs: int = 0) -> Frames:
    """Measure what the folder `out` lacks of a suite, a shipped one or a YAML file, and return the run's tables.

    `overrides` are such as "recipe.images=512". `jobs` cells run side by side, each in a process of its own, which
    knows what `plugins` register; with 0 jobs, all run in this process. A cell that fails is a row with its reason.
    Raises BenchError or ArchError where the suite is wrong.
    """
    load_plugins(map(Path, plugins))
    directory = Path(out)
    settled = with_images_of(with_widths_of(load_suite(suite, overrides), directory), directory)
    run_plan(make_plan(settled, jobs=jobs or 1), directory, Console(stderr=True), Workers(jobs) if jobs else Here())
    return load(directory)


def open_run(directory: Path | str) -> Frames:
    """Return the tables of a run folder: `arms`, `runs`, `values`, `samples` are tidy DataFrames.

    So are `curves`, `validations` and, by name, `images`, which are read when they are asked for. Raises StoreError
    where it holds no run.
    """
    return load(Path(directory))
