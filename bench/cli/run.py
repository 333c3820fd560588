"""`skipbench run`: measure everything that a suite asks for and that is not there yet."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.attempt import Failure, attempt
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
from skipbench.bench.cli.output import console, print_table
from skipbench.bench.errors import SuiteError
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.reader import DATABASE
from skipbench.bench.signals import Stopped
from skipbench.bench.suites import load_suite
from skipbench.display import human_time, one_line

if TYPE_CHECKING:
    from skipbench.bench.measure import Forecast
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
        from skipbench.bench.suites.matching import with_widths_of
        from skipbench.bench.suites.plan import make_plan

        load(plugin)
        chosen = load_suite(suite, overrides or [], _own_data(data, format), task or [])
        directory = out or Path("runs") / "-".join([chosen.name, *([data.resolve().name] if data else [])])
        if plugin and not (directory / DATABASE).is_file():
            for broken in broken_parts(plugin):
                print(f"note: {one_line(broken)}", file=sys.stderr)
        with executing.of(chosen, directory) as measuring:
            plan = make_plan(with_widths_of(chosen, directory), leave_out_unserved=data is not None)
        for note in plan.notes:
            print(f"note: {note}")
        if dry_run:
            return _preview(plan, measuring.jobs)
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


def _preview(plan: "Plan", jobs: int) -> int:
    from skipbench.bench.measure import MEASUREMENTS
    from skipbench.bench.measure.training import STEPS

    arms = {_arm_of(cell): cell for cell in plan.cells}
    with console().status("timing a few training steps of each arm"):
        forecasts = {arm: attempt(partial(plan.forecast, cell)) for arm, cell in arms.items()}
    expected = [(cell, forecasts[_arm_of(cell)]) for cell in plan.cells]
    title = f"{plan.suite['name']}: {len(plan.cells)} cells; nothing has been written"
    print_table([_preview_row(cell, forecast) for cell, forecast in expected], title)
    total = sum(
        forecast[cell.kind].seconds / (1 if MEASUREMENTS[cell.kind].in_turns else jobs)
        for cell, forecast in expected
        if not isinstance(forecast, Failure)
    )
    print(f"About {human_time(total)} on this machine, from {STEPS} timed training steps of each arm.")
    if room := _room_of_networks(plan, forecasts):
        print(f"The trained networks that it keeps (keep: {plan.suite['keep']}) take {room / 1e6:,.0f} MB.")
    return 0


def _room_of_networks(plan: "Plan", forecasts: "Mapping[Any, dict[str, Forecast] | Failure]") -> float:
    """Return the bytes that the trained networks take, as far as their sizes are known."""
    room = 0.0
    for study in plan.studies:
        copies = {"none": 0, "best": 1, "all": len(study.seeds)}[plan.suite["keep"]]
        for arm in study.arms:
            forecast = forecasts[(*study.name, arm.name)]
            if not isinstance(forecast, Failure):
                values = {key: n for part in forecast.values() for key, n in part.values.items()}
                room += 4 * copies * (values.get("params/total", 0) + values.get("buffers/total", 0))
    return room


def _arm_of(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.dataset, cell.arm


def _preview_row(cell: Cell, expected: "dict[str, Forecast] | Failure") -> dict[str, str]:

    if isinstance(expected, Failure):
        return {"cell": cell.name, "parameters": "–", "MACs": "–", "about": f"fails: {expected.reason}"}
    values = {key: value for forecast in expected.values() for key, value in forecast.values.items()}
    return {
        "cell": cell.name,
        "parameters": f"{values['params/total'] / 1e6:.3f} M",
        "MACs": f"{'≥ ' if values['operators/unruled'] else ''}{values['macs/total'] / 1e9:.3f} G",
        "about": human_time(expected[cell.kind].seconds),
    }
