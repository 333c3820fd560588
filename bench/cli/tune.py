"""`skipbench tune`: whether a learning rate favours some arms, and the suite with one that doesn't."""

import shlex
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipbench.bench.cli.executing import Executing
from skipbench.bench.cli.options import (
    Address,
    CellTimeout,
    CheckpointEvery,
    Debug,
    ExecutorName,
    Jobs,
    Overrides,
    Plugins,
    RetryFailed,
    SuiteName,
    load,
)
from skipbench.bench.cli.output import print_table
from skipbench.bench.cli.run import measured
from skipbench.bench.suites import load_suite, write_suite

if TYPE_CHECKING:
    from skipbench.bench.suites.tuning import LearningRates

TUNED = "tuned.yaml"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(tune)


def tune(
    suite: SuiteName,
    overrides: Overrides = None,
    lr: Annotated[
        list[float] | None,
        typer.Option(
            metavar="LR", help="A learning rate; repeatable. By default 1/2, 1, 2 and 4 times the suite's own."
        ),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each/--common", help="Give each arm its own best, or all arms the best common one.")
    ] = False,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="The share of the suite's images that each training sees.")
    ] = 1.0,
    seeds: Annotated[int, typer.Option(min=1, help="How many of the suite's seeds are trained.")] = 1,
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="The studies of this task only; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder; runs/SUITE-tune if not given.")
    ] = None,
    plugin: Plugins = None,
    jobs: Jobs = "auto",
    cell_timeout: CellTimeout = 3600.0,
    checkpoint_every: CheckpointEvery = 60.0,
    retry_failed: RetryFailed = False,
    executor: ExecutorName = "local",
    address: Address = None,
    debug: Debug = False,
) -> int:
    """Train every arm at the same few learning rates, and write the suite at the best: an arm that loses at one
    learning rate has not lost.

    The best is that with the highest validation score; the test split decides nothing. The folder is a run like
    any other, may be stopped, goes on where it was, and holds the suite as tuned.yaml.

    \b
    Examples:
      skipbench tune quick
      skipbench tune quick --each --share 0.5 --seeds 2
      skipbench tune quick --task pose --lr 0.0005 --lr 0.002 --lr 0.008 --out runs/tune
      skipbench run runs/quick-tune/tuned.yaml
    """
    executing = Executing(jobs, (cell_timeout, checkpoint_every), executor, address, debug)
    with executing.ahead():
        from skipbench.bench.suites.tuning import learning_rates, tuned, tuning_plan

        load(plugin)
        chosen = load_suite(suite, overrides or [], tasks=task or [])
        seeds = min(seeds, max(len(study.seeds) for study in chosen.studies))
        directory = out or Path("runs") / f"{chosen.name}-tune"
        with executing.of(chosen, directory) as measuring:
            plan = tuning_plan(chosen, lr or [], share, seeds)
        records = measured(plan, directory, measuring, retry_failed)
    found = learning_rates(plan, records)
    for study in found:
        _show(study, each)
    trainings = f"{len(plan.cells)} trainings with {100 * share:g} % of the images, {seeds} seed(s)"
    told = (
        f"{'Each arm at its own best' if each else 'All arms at the best common'} lr, by validation: {trainings}."
    )
    file = write_suite(tuned(chosen, found, each, told), directory / TUNED)
    print(f"Next: skipbench run {shlex.quote(str(file))}")
    return 1 if any(record.status == "failed" for record in records) else 0


def _show(found: "LearningRates", each: bool) -> None:
    best = found.each() if each else [found.common()] * len(found.arms)
    rows = [
        {
            "arm": arm,
            **{
                f"{lr:g}": "–" if isnan(score) else f"{score:.3f}"
                for lr, score in zip(found.lrs, scores, strict=True)
            },
            "lr": f"{lr:g}",
        }
        for arm, scores, lr in zip(found.arms, found.scores, best, strict=True)
    ]
    print_table(rows, f"{found.task} on {found.dataset}: validation {found.metric} at each lr, and the lr chosen")
    if edge := found.at_the_edge():
        print(f"Best at an end of the grid, so a wider one may do better (--lr): {'; '.join(edge)}.")
