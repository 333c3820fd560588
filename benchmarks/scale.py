"""How long `status`, the start of `run`, one `plot` and the report take where a run has thousands of cells.

    skipbench run quick "seeds=[0]" recipe.images=64 --out runs/taste
    python benchmarks/scale.py runs/taste --cells 10000 --out runs/large

Builds the folder from the trainings of a run, multiplied by seeds with their numbers shaken a little, through the
writer of real runs; then times commands in processes of their own. Everything
is in seconds, of wall time and, in brackets, of a processor's; the start of Python and imports count. Of the report
there are also the most memory that it takes and the size of its page; `--only report` leaves the rest out.
"""

import argparse
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Process
from pathlib import Path
from typing import Any

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import open_run, write_run

START = """
import sys
from pathlib import Path
from skipbench.bench.records.store import open_run, write_run
run = open_run(Path(sys.argv[1]))
with write_run(run.directory, run.suite, run.cells(), run.metrics) as run:
    assert not run.missing()
"""  # in place of making the plan, its cells are read: both build and hash each


def multiplied(source: Path, cells: int) -> Iterator[RunRecord]:
    """Yield the finished records of `source`, and then its trainings at further seeds, `cells` in all."""
    records = [record for record in open_run(source).records() if record.status == "ok"]
    trainings = list({(r.task, r.dataset, r.arm): r for r in records if r.kind == "train"}.values())
    yield from records
    shake = random.Random(0)
    for number in range(cells - len(records)):
        seed, which = divmod(number, len(trainings))
        seed, record = 1000 + seed, trainings[which]
        cell = cell_of(record, seed=seed, determines=record.determines | {"seed": seed})
        values = {key: value * shake.uniform(0.95, 1) for key, value in record.values.items()}
        outcome = record.model_dump(exclude={*Cell.model_fields, "artifacts", "values"})
        yield RunRecord.of(cell, values=values, **outcome)


def cell_of(record: RunRecord, **changed: Any) -> Cell:
    """Return the cell of a record, or another one."""
    return Cell(**{name: getattr(record, name) for name in Cell.model_fields} | changed)


def build(source: Path, folder: Path, cells: int) -> None:
    """Write the large run folder."""
    run, records = open_run(source), list(multiplied(source, cells))
    seeds = sorted({record.seed for record in records if record.seed is not None})
    with write_run(folder, run.suite | {"seeds": seeds}, list(map(cell_of, records)), run.metrics) as large:
        large.save(records)


def seconds(*command: str) -> str:
    """Run a command and return how long it took, and how much of that a processor computed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{wall:.2f} ({after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a finished run folder")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--out", type=Path, required=True, help="the large folder, made where it isn't there")
    parser.add_argument("--only", choices=["report"], help="what to time alone")
    parser.add_argument("--task", default="segmentation", help="that the plots are of")
    arguments = parser.parse_args()
    if not arguments.out.exists():
        start = time.perf_counter()
        builder = Process(target=build, args=(arguments.source, arguments.out, arguments.cells))
        builder.start()  # in a process of its own: what it takes would count for the commands that start here
        builder.join()
        print(f"written in {time.perf_counter() - start:.1f}")
    folder, size = str(arguments.out), (arguments.out / "run.sqlite").stat().st_size
    print(f"{size / 1e6:.0f} MB")
    skipbench = ("-m", "skipbench")
    took = seconds(*skipbench, "report", folder)  # the first command, so that the memory is its own
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    page = (arguments.out / "report" / "index.html").stat().st_size / 1e6
    print(f"skipbench report: {took}; {memory:.0f} MiB at most; the page has {page:.1f} MB")
    if arguments.only:
        return
    print(f"skipbench --help: {seconds(*skipbench, '--help')}")
    print(f"skipbench status: {seconds(*skipbench, 'status', folder)}")
    print(f"what the start of a run does: {seconds('-c', START, folder)}")
    for kind in ("accuracy", "pareto", "latency", "factor", "breakdown"):
        plot = ("plot", folder, kind, "--task", arguments.task, "--format", "svg")
        print(f"skipbench plot {kind}: {seconds(*skipbench, *plot)}")


if __name__ == "__main__":
    main()
