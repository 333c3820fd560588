"""`skipbench run`: measure everything that a suite asks for and that is not there yet."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipbench.bench.cli.executing import Executing
from skipbench.bench.cli.extend import broken_parts
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
from skipbench.bench.cli.output import console
from skipbench.bench.errors import SuiteError
from skipbench.bench.records import RunRecord
from skipbench.bench.records.reader import DATABASE
from skipbench.bench.signals import Stopped
from skipbench.bench.suites import load_suite
from skipbench.display import one_line

if TYPE_CHECKING:
    from skipbench.bench.run.session import Executor
    from skipbench.bench.suites.plan import Plan


REUSE = (
    "Take finished cells of another run folder where all that determines them is equal: the cell itself (arm, "
    "options, data, seed), library versions, Python's minor version and the processor; what times, only from "
    "this very system. May be given more than once."
)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(run)


def run(
    suite: SuiteName,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your own images instead of the suite's data.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="The format of --data, recognised if not given.")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Run the studies of this task only; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder; runs/SUITE if not given.")
    ] = None,
    reuse: Annotated[list[Path] | None, typer.Option(metavar="DIR", help=REUSE)] = None,
    plugin: Plugins = None,
    jobs: Jobs = "auto",
    cell_timeout: CellTimeout = 3600.0,
    checkpoint_every: CheckpointEvery = 60.0,
    retry_failed: RetryFailed = False,
    executor: ExecutorName = "local",
    address: Address = None,
    debug: Debug = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the curves for TensorBoard, to DIR/tensorboard.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cells, their cost and the time; write nothing.")
    ] = False,
) -> int:
    """Run a suite: count, time and train every arm, once.

    What is there already is not measured again: a run may be stopped at any moment and goes on where it
    was, and more seeds or arms are added to it. Ctrl-C once lets current cells keep their state, twice ends them at
    once. A cell that fails, even one that crashes its process, is kept with its reason, the others go on, and the
    command ends with exit code 1; --retry-failed tries it again. Networks' parts of a plug-in are checked first, as
    by skipbench check, and what they break is said.

    \b
    Examples:
      skipbench run quick
      skipbench run quick --dry-run
      skipbench run quick recipe.images=512 "seeds=[0]" --out runs/short
      skipbench run quick --task pose pose.recipe.images=512
      skipbench run quick "seeds=[0, 1, 2, 3]" --reuse runs/of_a_colleague
      skipbench run quick --data my/images data.ignore_index=11
      skipbench run my_suite.yaml --plugin my_fusion.py
      skipbench run my_suite.yaml --jobs 4 recipe.threads=2
      skipbench run my_suite.yaml --tensorboard
    """
    if tensorboard and find_spec("tensorboard") is None:
        raise SuiteError("--tensorboard needs TensorBoard: pip install 'skipbench[tensorboard]'.")
    executing = Executing(jobs, (cell_timeout, checkpoint_every), executor, address, debug)
    with nullcontext() if dry_run else executing.ahead():
        from skipbench.bench.records.holding import refuse_foreign
        from skipbench.bench.run.heartbeat import Heartbeat
        from skipbench.bench.suites.matching import with_widths_of
        from skipbench.bench.suites.minutes import with_images_of
        from skipbench.bench.suites.plan import make_plan

        load(plugin)
        for given in overrides or []:
            if "=" not in given and Path(given).is_dir():
                raise SuiteError(f"{given} is a folder; images of your own are given by --data {given}.")
        chosen = load_suite(suite, overrides or [], _own_data(data, format), task or [])
        directory = out or Path("runs") / "-".join([chosen.name, *([data.resolve().name] if data else [])])
        refuse_foreign(directory)
        if plugin and not (directory / DATABASE).is_file():
            for broken in broken_parts(plugin):
                print(f"note: {one_line(broken)}", file=sys.stderr)
        working = Heartbeat(console(), lambda: "       reading data and making the plan")
        with executing.of(chosen, directory) as measuring, working:
            settled = with_images_of(with_widths_of(chosen, directory), directory)
            plan = make_plan(settled, leave_out_unserved=data is not None, jobs=measuring.jobs)
        for note in plan.notes:
            print(f"note: {note}")
        if dry_run:
            from skipbench.bench.cli.preview import preview

            return preview(plan, directory, measuring.jobs)
        return _measure(plan, directory, measuring, retry_failed, reuse or [], tensorboard)


def _own_data(root: Path | None, format: str | None) -> dict[str, str] | None:
    """Return the data section that stands for a folder of one's own. Raises DataError where no format fits."""
    from skipbench.bench.data import recognise

    if root is None:
        if format is not None:
            raise SuiteError(f"--format {format} says how to read --data, which isn't given.")
        return None
    return {"name": format or recognise(root), "root": str(root)}


def measured(
    plan: "Plan",
    directory: Path,
    executor: "Executor",
    retry_failed: bool,
    reused: Sequence[Path] = (),
    tensorboard: bool = False,
) -> list[RunRecord]:
    """Run the plan and return its records, having said which failed; where it is stopped, say so and exit."""
    from skipbench.bench.run.runner import run_plan
    from skipbench.bench.run.tensorboard import Events

    events = Events(directory, plan.cells) if tensorboard else None
    try:
        records = run_plan(plan, directory, console(), executor, retry_failed, reused, events)
    except Stopped as stopped:
        folder = shlex.quote(str(directory))
        print(
            f"Interrupted; every finished cell is kept in {folder}. Run the same command to continue.",
            file=sys.stderr,
        )
        raise typer.Exit(stopped.code) from None
    for record in records:
        if record.status == "failed":
            print(f"failed: {one_line(f'{record.name}: {record.reason}')}", file=sys.stderr)
    return records


def _measure(
    plan: "Plan",
    directory: Path,
    executor: "Executor",
    retry_failed: bool,
    reused: Sequence[Path],
    tensorboard: bool,
) -> int:
    records = measured(plan, directory, executor, retry_failed, reused, tensorboard)
    failed = sum(record.status == "failed" for record in records)
    folder = shlex.quote(str(directory))
    again = " (--retry-failed tries them again)" if failed else ""
    print(f"{len(records) - failed} of {len(plan.cells)} cells are in {folder}, {failed} failed{again}.")
    print(f"Next: skipbench report {folder}")
    return 1 if failed else 0
