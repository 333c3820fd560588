"""Whether latency's verdicts are right: equal networks called different, a planted 5 % found, quiet and under load.

    python benchmarks/latency_validity.py run quiet [--sessions 50] [--minutes 4]
    python benchmarks/latency_validity.py run load [--sessions 50] [--minutes 4]
    python benchmarks/latency_validity.py report

A session times a small network, 8 copies of it, which are equal to it, and 4 copies that are made 5 % slower (they
wait for 5 % of the time that they took), one thread each. Its 8 A/A comparisons share their reference. "load" runs
beside a process that computes in bursts: on for .2 s, off for .3 s, both exponentially distributed. `run` goes
on where it was stopped, for the given minutes, and keeps each session in runs/latency_validity/; `report` writes
latency_validity.md. The processes of one call of `run` serve all its sessions; each block builds all networks anew.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint
from torch import nn

from skipbench.analysis.latency import ALPHA, compare
from skipbench.bench.measure.latency import LatencyOptions, measure_latency
from skipbench.bench.measure.timing import fresh_processes

HERE, KEPT = Path(__file__).parent, Path("runs/latency_validity")
COPIES, PLANTED, SLOWER = 8, 4, 0.05
ON_S, OFF_S = 0.2, 0.3
OPTIONS = LatencyOptions(
    size=(64, 64), threads=1, block_s=0.5, rounds=10, blocks=6, time_limit_s=12, device="cpu", seed=0
)


class Slowed(nn.Module):
    """A network that waits, after its work, for a share of the time that it took."""

    def __init__(self, network: nn.Module, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        start = time.perf_counter()
        logits = self.network(images)
        end = time.perf_counter()
        while time.perf_counter() < end + self.share * (end - start):
            pass
        return logits


def network(share: float) -> nn.Module:
    """Return the network, about 2 ms on one core; it has the wrapper's overhead at a share of 0 too."""
    convs = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()]
    for _ in range(3):
        convs += [nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
    return Slowed(nn.Sequential(*convs, nn.Conv2d(32, 1, 1)), share)


def burst() -> None:
    """Compute in bursts until killed."""
    rng, matrix = np.random.default_rng(), torch.rand(256, 256)
    torch.set_num_threads(1)
    while True:
        end = time.perf_counter() + rng.exponential(ON_S)
        while time.perf_counter() < end:
            matrix @ matrix
        time.sleep(rng.exponential(OFF_S))


def run(kind: str, sessions: int, minutes: float) -> None:
    """Add sessions to those that are kept, until there are as many as asked for or the minutes are over."""
    KEPT.mkdir(parents=True, exist_ok=True)
    file, start = KEPT / f"{kind}.jsonl", time.perf_counter()
    done = len(file.read_text().splitlines()) if file.is_file() else 0
    shares = {"reference": 0.0} | {f"copy {n}": 0.0 for n in range(COPIES)}
    shares |= {f"planted {n}": SLOWER for n in range(PLANTED)}
    arms = {name: OPTIONS.contender(partial(network, share)) for name, share in shares.items()}
    load = subprocess.Popen([sys.executable, __file__, "burst"]) if kind == "load" else None
    try:
        with fresh_processes(OPTIONS.processes) as processes:
            while done < sessions and time.perf_counter() - start < 60 * minutes:
                options = OPTIONS.model_copy(update={"seed": done})
                measured = measure_latency(arms, options, processes=processes)
                content = {
                    "settings": measured["reference"].settings,
                    "samples": {name: each.samples for name, each in measured.items()},
                    "blocks": {name: [b.model_dump() for b in each.blocks] for name, each in measured.items()},
                    "table": compare(measured, "reference", options.margin, options.blocks).to_dict("records"),
                }
                with file.open("a") as kept:
                    kept.write(json.dumps(content) + "\n")
                done += 1
                print(f"{kind}: {done} of {sessions} sessions, {time.perf_counter() - start:.0f} s", flush=True)
    finally:
        if load:
            load.kill()


def rates(kind: str) -> tuple[pd.DataFrame, str]:
    """Return the rates of one kind of sessions, and a sentence about them."""
    sessions = [json.loads(line) for line in (KEPT / f"{kind}.jsonl").read_text().splitlines()]
    rows = pd.concat([pd.DataFrame(each["table"]) for each in sessions])
    copies, planted = rows[rows.arm.str.startswith("copy")], rows[rows.arm.str.startswith("planted")]
    covers = (copies.low <= 1) & (copies.high >= 1)
    truth = 1 + SLOWER
    questions = {
        "A/A called different (p below .05, uncorrected)": copies.p < ALPHA,
        "A/A called different (p below .05, Holm)": copies.p_holm < ALPHA,
        "A/A called faster or slower (with the margin)": copies.verdict.isin(["faster", "slower"]),
        "A/A called equal": copies.verdict.isin(["equal", "tied"]),
        "A/A: the interval holds 1": covers,
        "planted 5 % told apart (p below .05, Holm)": planted.p_holm < ALPHA,
        "planted 5 % called slower (with the margin)": planted.verdict == "slower",
        "planted 5 % called equal": planted.verdict == "equal",
        "planted 5 %: the interval holds 1.05": (planted.low <= truth) & (planted.high >= truth),
    }
    table = [
        {
            "what": what,
            "of": len(hits),
            "share": hits.mean(),
            "interval": proportion_confint(hits.sum(), len(hits), method="wilson"),
        }
        for what, hits in questions.items()
    ]
    blocks = np.array([len(each["blocks"]["reference"]) for each in sessions])
    ended = pd.Series([each["settings"]["ended_by"] for each in sessions]).value_counts()
    others = [b["others_cores"] for each in sessions for b in each["blocks"]["reference"]]
    reach = np.log(copies.high / copies.ratio)
    said = (
        f"{len(sessions)} sessions of {blocks.min()} to {blocks.max()} blocks (median {np.median(blocks):.0f}), "
        f"ended by {', '.join(f'{why} {times} times' for why, times in ended.items())}; others kept "
        f"{np.median(others):.2f} cores busy at the median; the A/A intervals reach {reach.median():.1%} to "
        f"either side at the median, and the ratios of single blocks have a standard deviation of "
        f"{_between(copies):.1%}."
    )
    return pd.DataFrame(table), said


def _between(copies: pd.DataFrame) -> float:
    """Return the standard deviation over blocks of an A/A ratio's logarithm, the root mean square over arms."""
    return float(np.sqrt(np.mean([np.var(np.log(each), ddof=1) for each in copies.each])))


def report() -> None:
    """Write latency_validity.md."""
    text = "# Are latency's verdicts right?\n\n" + __doc__.split("\n\n")[2].replace("\n", " ") + "\n"
    for kind in (kind for kind in ("quiet", "load") if (KEPT / f"{kind}.jsonl").is_file()):
        table, said = rates(kind)
        text += f"\n## {kind.capitalize()}\n\n{said}\n\n| what | comparisons | share | 95 % interval (Wilson) |\n"
        text += "| --- | ---: | ---: | ---: |\n"
        for row in table.itertuples():
            text += (
                f"| {row.what} | {row.of} | {row.share:.1%} | {row.interval[0]:.1%} to {row.interval[1]:.1%} |\n"
            )
    (HERE / "latency_validity.md").write_text(text)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report", "burst"))
    parser.add_argument("kind", nargs="?", choices=("quiet", "load"), default="quiet")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=4)
    chosen = parser.parse_args()
    if chosen.what == "run":
        run(chosen.kind, chosen.sessions, chosen.minutes)
    else:
        {"report": report, "burst": burst}[chosen.what]()


if __name__ == "__main__":
    main()
