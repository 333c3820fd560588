"""Trainings an hour of two states of skipbench, in turns on one machine: one suite, each run as it is by default.

    python benchmarks/throughput.py BEFORE AFTER [--rounds 4] [--out throughput.md]

BEFORE and AFTER are commands, such as `old/.venv/bin/skipbench` in a checkout of an older state with an environment
of its own. The suite trains small networks in segmentation and pose, a few seconds each; which of the two goes
first changes from round to round. What counts is the time of the whole command, imports and data with it. Prints
each round, and the ratio with its 95 % interval (t, of the logarithms).
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import stats

TRAININGS = 24
# what both states understand; the encoder is `resnet10t_quarter` in the words of before
SUITE = """
name: throughput
data: {name: scenes, size: [64, 64], train: 512, val: 32, test: 64}
model: {encoder: resnet10t, encoder_args: {channels: [16, 32, 64, 128], stem_width: 16}, width: 32}
arms:
  - {sweep: {model: [unet, hourglass, fpn, rectified_gaussian]}}
recipe: {images: 896, batch_size: 8, lr: 4.0e-3, validations: 1}
seeds: [0, 1, 2]
latency: {rounds: 2, block_s: 0, warmup: 1, blocks: 3, processes: 0, time_limit_s: 0.001}
studies:
  - {task: segmentation, model: {strides: [2, 4, 8, 16, 32]}}
  - {task: pose, model: {strides: [4, 8, 16, 32]}}
"""


def per_hour(command: str, suite: Path) -> float:
    """Return the trainings an hour of one run of the suite."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [command, "run", str(suite), "--out", f"{folder}/run"], check=True, stdout=subprocess.DEVNULL
        )
        return 3600 * TRAININGS / (time.perf_counter() - start)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--out", type=Path, help="the file to which the table is written, too")
    return parser.parse_args()


def main() -> None:
    """Print the comparison."""
    chosen = options()
    commands = {"before": chosen.before, "after": chosen.after}
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "throughput.yaml"
        suite.write_text(SUITE)
        for number in range(chosen.rounds):
            order = list(commands)[:: 1 if number % 2 else -1]
            rows.append({name: per_hour(commands[name], suite) for name in order})
            print(
                f"round {number + 1}: " + ", ".join(f"{name} {rows[-1][name]:.0f}" for name in commands), flush=True
            )
    logs = np.log([row["after"] / row["before"] for row in rows])
    low, high = stats.t.interval(0.95, len(logs) - 1, logs.mean(), stats.sem(logs))
    ratio = f"{np.exp(logs.mean()):.2f} times as many (95 % interval {np.exp(low):.2f} to {np.exp(high):.2f})"
    table = ["| round | before | after | ratio |", "| ---: | ---: | ---: | ---: |"]
    for number, row in enumerate(rows, start=1):
        table.append(
            f"| {number} | {row['before']:.0f} | {row['after']:.0f} | {row['after'] / row['before']:.2f} |"
        )
    told = f"Trainings an hour, {TRAININGS} in each run: {ratio}."
    print(told)
    if chosen.out:
        chosen.out.write_text("\n".join(["# Trainings an hour, before and after", "", told, "", *table, ""]))


if __name__ == "__main__":
    main()
