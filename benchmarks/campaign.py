"""Kill runs at random moments, damage their databases, fill their disks, poison their cells; count what goes wrong.

    python benchmarks/campaign.py [--kills 200] [--damages 60] [--disks 40] [--poisons 10] [--at-once 1]
        [--summary FILE.md]

A fault is a record that is lost, measured twice or changed, a result that differs from that of an undisturbed run,
a traceback, a process that outlives its run, or a start that does not get on. tests/bench/run/ has the short forms.
"""

import argparse
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from skipbench.bench.errors import StoreError
from skipbench.bench.records import RunRecord
from skipbench.bench.records.store import open_run

SUITE = """
name: campaign
data: {name: scenes, size: [32, 32], train: 64, val: 8, test: 8}
model: {encoder: test_resnet, width: 8}
arms:
  - {model: fpn, sweep: {fusion: [add, concat]}}
recipe: {images: 1600, batch_size: 8, validations: 3, threads: 1, device: cpu}
seeds: [0, 1]
keep: all
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001, threads: 1, device: cpu}
"""
POISON = """
import ctypes, os, signal, time
from skipbench import register_fusion
from skipbench.archs.fusion import Add

def eating(food=[]):
    while True:
        food.append(bytearray(1 << 28))

DEEDS = {
    "exits": lambda: os._exit(0), "segfaults": lambda: ctypes.string_at(0), "aborts": os.abort,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL), "hangs": lambda: time.sleep(1000), "forks": os.fork,
    "eats": eating,
}
for name, deed in DEEDS.items():
    def merge(self, coarse, skip, deed=deed):
        if coarse.device.type == "cpu":
            deed()
        return Add.merge(self, coarse, skip)
    register_fusion(name)(type(name, (Add,), {"merge": merge}))
"""
TIMED = ("latency_ms", "throughput", "machine/", "train/seconds", "train/images_per_s", "train/busy_share")
POISON_GB = 6  # that "eats" may take before the kernel refuses more: a small machine


@dataclass
class Tally:
    """What was tried, and what went wrong."""

    tried: int = 0
    faults: list[str] = field(default_factory=list)


class Campaign:
    """One suite, the values of its undisturbed run, and a folder to work in."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        self.suite, self.plugin = place / "campaign.yaml", place / "poison.py"
        self.suite.write_text(SUITE)
        self.plugin.write_text(POISON)
        self.whole = place / "whole"
        done = self.start(self.whole, "--jobs", "1").wait()
        assert done == 0, f"the undisturbed run ends with {done}"
        self.values = {name: values(record) for name, record in read(self.whole).items()}

    def start(self, run: Path, *options: str, room: int | None = None) -> subprocess.Popen[str]:
        """Start the suite's run; `room` is the most bytes that one of its files may have."""

        def limit() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_DATA, (POISON_GB << 30, POISON_GB << 30))
            if room is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        command = [sys.executable, "-m", "skipbench", "run", str(self.suite), "--out", str(run), *options]
        output = subprocess.PIPE
        return subprocess.Popen(command, stdout=output, stderr=output, text=True, preexec_fn=limit)

    def compare(self, run: Path, complete: bool) -> Iterator[str]:
        """Yield what is wrong with a run's records: values that differ, and missing ones where it is complete."""
        records = read(run)
        for name, record in records.items():
            if record.status != "ok":
                yield f"{name} has failed: {record.reason}"
            elif values(record) != self.values[name]:
                yield f"{name} has other values"
        if complete:
            yield from (f"{name} is missing" for name in self.values.keys() - records.keys())

    def kills(self, count: int) -> Tally:
        """Kill runs, with 1 and 2 jobs: the run itself, the process that starts its cells, or a cell."""
        tally, number = Tally(), 0
        while tally.tried < count:
            run, kept, stuck = self.place / f"kills{number}", {}, 0
            number += 1
            while True:
                jobs = self.random.choice(("1", "2"))
                process = self.start(run, "--jobs", jobs, "--checkpoint-every", "1", "--retry-failed")
                family = self._kill_at_random(process)
                tally.tried += family is not None
                _, err = process.communicate()
                tally.faults += [f"a traceback: {err[-300:]}"] if "Traceback" in err else []
                alive = psutil.wait_procs(family or [], timeout=10)[1]
                tally.faults += [f"process {left.pid} outlives its run" for left in alive]
                now = {name: record for name, record in read(run).items() if record.status == "ok"}
                tally.faults += [
                    f"{name} is lost or was measured again" for name in kept if now.get(name) != kept[name]
                ]
                stuck = stuck + 1 if now == kept else 0
                kept = now
                if (family is None and process.returncode == 0) or tally.tried >= count or stuck > 50:
                    break
            if stuck > 50:
                tally.faults.append("50 starts in turn did not get on")
            code = self.start(run, "--jobs", "2", "--retry-failed").wait()
            tally.faults += [f"the last start ends with {code}"] if code else []
            tally.faults += self.compare(run, complete=True)
            shutil.rmtree(run)
        return tally

    def _kill_at_random(self, process: subprocess.Popen[str]) -> list[psutil.Process] | None:
        """Kill a process of the run after a while; return all that there were, None where it ended before."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.random.uniform(0.2, 25))
            return None
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            whole = psutil.Process(process.pid)
            family = [whole, *whole.children(recursive=True)]
            self.random.choice([whole, *family]).kill()
        return family

    def damages(self, count: int) -> Tally:
        """Change bytes of a finished run's database, cut it, or remove a file, then look at it and go on."""
        tally, harms = Tally(), (self._flip, self._cut, self._remove)
        for number in range(count):
            run = self.place / f"damage{number}"
            shutil.copytree(self.whole, run)
            self.random.choice(harms)(run)
            tally.tried += 1
            for command in (["status", str(run)], ["report", str(run)]):
                done = subprocess.run([sys.executable, "-m", "skipbench", *command], capture_output=True, text=True)
                if done.returncode not in (0, 2) or "Traceback" in done.stderr:
                    tally.faults.append(f"{command[0]} ends with {done.returncode}: {done.stderr[-300:]}")
            process = self.start(run, "--jobs", "2")
            _, err = process.communicate()
            if process.returncode not in (0, 2) or "Traceback" in err:
                tally.faults.append(f"run ends with {process.returncode}: {err[-300:]}")
            with suppress(StoreError):
                tally.faults += self.compare(run, complete=process.returncode == 0)
            shutil.rmtree(run)
        return tally

    def _flip(self, run: Path) -> None:
        file = run / "run.sqlite"
        content = bytearray(file.read_bytes())
        for _ in range(self.random.choice((1, 4, 64))):
            content[self.random.randrange(len(content))] = self.random.randrange(256)
        file.write_bytes(content)

    def _cut(self, run: Path) -> None:
        file = run / "run.sqlite"
        file.write_bytes(file.read_bytes()[: self.random.randrange(file.stat().st_size)])

    def _remove(self, run: Path) -> None:
        self.random.choice([file for file in run.rglob("*") if file.is_file()]).unlink()

    def disks(self, count: int) -> Tally:
        """Run where no file may grow beyond some bytes, as on a full disk, then with room."""
        tally = Tally()
        for number in range(count):
            run = self.place / f"disk{number}"
            process = self.start(
                run, "--jobs", "2", "--checkpoint-every", "1", room=self.random.randrange(2_000_000)
            )
            _, err = process.communicate()
            tally.tried += 1
            if process.returncode not in (0, 1, 2) or "Traceback" in err:
                tally.faults.append(f"run ends with {process.returncode}: {err[-300:]}")
            code = self.start(run, "--jobs", "2", "--retry-failed").wait()
            tally.faults += [f"with room, it ends with {code}"] if code else []
            tally.faults += self.compare(run, complete=True)
            shutil.rmtree(run)
        return tally

    def poisons(self, count: int) -> Tally:
        """Run all poisoned arms beside the sound ones, twice each."""
        tally = Tally()
        fusions = "add, concat, exits, segfaults, aborts, killed, hangs, forks, eats"
        options = [f"arms=[{{model: fpn, sweep: {{fusion: [{fusions}]}}}}]", "--plugin", str(self.plugin)]
        for number in range(count):
            run = self.place / f"poison{number}"
            for _ in range(2):
                process = self.start(
                    run, *options, "--jobs", self.random.choice(("1", "2")), "--cell-timeout", "20"
                )
                _, err = process.communicate()
                if process.returncode != 1 or "Traceback" in err:
                    tally.faults.append(f"run ends with {process.returncode}: {err[-300:]}")
            tally.tried += 7
            records = read(run)
            for name, expected in self.values.items():
                if name.startswith("train") and values(records[name]) != expected:
                    tally.faults.append(f"{name} has other values: {records[name].reason}")
            sound = [name for name, record in records.items() if record.status == "ok" and "latency" in name]
            if len(sound) != 2:
                tally.faults.append(f"{len(sound)} of 2 sound arms were timed")
            shutil.rmtree(run)
        return tally


def read(run: Path) -> dict[str, RunRecord]:
    """Return a run's records by name, none where its start was killed before it had a plan."""
    try:
        return {record.name: record for record in open_run(run).records()}
    except StoreError as error:
        if "no run" in str(error):
            return {}
        raise


def values(record: RunRecord) -> dict[str, float]:
    """Return what must be equal, whatever happened on the way."""
    return {key: value for key, value in record.values.items() if not key.startswith(TIMED)}


PARTS: dict[str, tuple[str, Callable[[Campaign, int], Tally], int]] = {
    "kills": ("SIGKILL of a run, its helper or a cell, at 1 and 2 jobs", Campaign.kills, 200),
    "damages": ("database changed or cut, a file removed", Campaign.damages, 60),
    "disks": ("disk full", Campaign.disks, 40),
    "poisons": ("poisoned cells", Campaign.poisons, 10),
}


def tried(name: str, count: int, seed: int) -> Tally:
    """Return what comes of one part, in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        tally = PARTS[name][1](Campaign(Path(place), seed), count)
    print(f"{PARTS[name][0]}: {tally.tried} tried, {len(tally.faults)} faults", *tally.faults, sep="\n", flush=True)
    return tally


def main() -> None:
    """Run the campaign and print or write its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (what, _, count) in PARTS.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"{what}; default {count}")
    parser.add_argument("--at-once", type=int, default=1, help="parts that are tried side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--summary", type=Path, help="the file to which the table is written")
    given = parser.parse_args()
    start = time.monotonic()
    with ThreadPoolExecutor(given.at_once) as pool:
        tallies = pool.map(lambda name: tried(name, getattr(given, name), given.seed), PARTS)
        rows = [
            f"| {PARTS[name][0]} | {tally.tried} | {len(tally.faults)} |"
            for name, tally in zip(PARTS, tallies, strict=True)
        ]
    told = f"`python {' '.join(sys.argv)}`, {(time.monotonic() - start) / 60:.0f} min."
    page = "\n".join(
        ["# A campaign against runs", "", told, "", "| what | tried | faults |", "|---|---:|---:|", *rows, ""]
    )
    print(page)
    if given.summary:
        given.summary.write_text(page)


if __name__ == "__main__":
    main()
