"""Whether the memory of a run stays flat: that of its two lasting processes, from the 50th cell to the last.

python benchmarks/memory.py [--cells 1000] [--jobs 2]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from skipbench.bench.errors import StoreError
from skipbench.bench.records.store import open_run

SUITE = """
name: memory
data: {{name: scenes, size: [32, 32], train: 16, val: 4, test: 4}}
model: {{encoder: test_resnet, width: 8}}
arms: [{{model: fpn}}]
recipe: {{images: 8, batch_size: 8, validations: 1, threads: 1, device: cpu, precision: 32-true}}
seeds: [{seeds}]
keep: none
latency: {{rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}}
"""
SETTLED = 50  # cells, after which everything that is made once has been


def main() -> None:
    """Run the cells and print the resident memory of the run and of the process that starts its cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        suite, run = Path(place, "memory.yaml"), Path(place, "run")
        suite.write_text(SUITE.format(seeds=", ".join(map(str, range(given.cells)))))
        command = [
            sys.executable,
            "-m",
            "skipbench",
            "run",
            str(suite),
            "--out",
            str(run),
            "--jobs",
            str(given.jobs),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        early: list[float] = []
        last: list[float] = []
        while process.poll() is None:
            if (done := cells_done(run)) >= SETTLED:
                last = lasting_mb(process.pid) or last
                early = early or last
                print(f"{done:5d} cells: {' and '.join(f'{mb:.0f}' for mb in last)} MB", flush=True)
            time.sleep(5)
        growth = [f"{after / before - 1:+.1%}" for before, after in zip(early, last, strict=True)]
    print(f"from {SETTLED} cells to {given.cells}: {' and '.join(growth)} (exit code {process.returncode})")


def cells_done(run: Path) -> int:
    """Return how many cells have a record."""
    try:
        return sum(state.status == "ok" for _, state in open_run(run).states())
    except StoreError:
        return 0


def lasting_mb(pid: int) -> list[float]:
    """Return the resident memory, in MB, of the run and of the process that starts its cells."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (pid, *children)]
    except OSError:
        return []
    if len(pages) != 2 or not all(pages):  # one has just ended, or not yet begun
        return []
    return [count * os.sysconf("SC_PAGE_SIZE") / 1e6 for count in pages]


if __name__ == "__main__":
    main()
