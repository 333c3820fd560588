"""Latency of several networks, measured side by side and again and again: what differs is told from noise.

Two copies of one network differ lastingly, by where their memory lies, and times that follow each other are
alike. So the unit of replication is a block: all networks built afresh, in one of several processes in turn.
"""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from math import expm1, isfinite, log, log1p
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import nn

from skipbench.archs import build_model
from skipbench.bench.advance import Advance
from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.errors import BenchError
from skipbench.bench.measure.base import Arm, Forecast, Measurement, Options, register_measurement
from skipbench.bench.measure.runtimes import RUNTIMES, MemoryFormat, Precision, random_images, require
from skipbench.bench.measure.timing import Conditions, Contender, Timed, fresh_processes, run_block
from skipbench.bench.records import Block, Cell, Outcome
from skipbench.bench.records.blocks import (
    MAX_OFF_MEDIAN,
    MAX_OTHERS_CORES,
    MIN_BLOCKS,
    geometric,
    kept,
    medians,
    undisturbed,
)
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import Task
from skipbench.bench.training.machine import Device, resolve_device, resolve_precision
from skipbench.bench.validation import parse
from skipbench.errors import unknown_name

Count = Annotated[int, Field(ge=1)]
MARGIN = 0.03


class LatencyOptions(Options):
    """How latency is measured; every option is a column of the result."""

    rounds: Annotated[int, Field(ge=2)] = 10  # forward passes timed per network and block, at least
    block_s: Annotated[float, Field(ge=0)] = 1.0  # seconds that a block's rounds take at least
    warmup: Annotated[int, Field(ge=0)] = 3  # rounds of each block that are run first and not kept
    blocks: Annotated[int, Field(ge=MIN_BLOCKS)] = 6  # at least so many
    processes: Annotated[int, Field(ge=0)] = 3  # fresh ones, which take turns with the blocks; 0: this one alone
    precise_to: Annotated[float, Field(gt=0)] = 0.02  # the session ends when no ratio's interval reaches further
    time_limit_s: Annotated[float, Field(gt=0)] = 60.0  # ... or after this time, if it has its least blocks
    margin: Annotated[float, Field(ge=0)] = MARGIN  # networks that differ by less are called equal
    reference: str | None = None  # the name of the arm that the others are compared with; None: the first
    size: tuple[Count, Count] = (256, 256)  # (H, W) of the input in pixels
    batch_size: Count = 1
    threads: Count | None = None  # CPU threads; None: as many as torch uses already
    runtime: str = "eager"
    precision: Literal["auto", Precision] = "32-true"
    memory_format: MemoryFormat = "contiguous"
    device: Device = "auto"
    seed: int = 0  # of the order within rounds, the weights and the input

    @field_validator("runtime")
    @classmethod
    def _known(cls, runtime: str) -> str:
        if runtime not in RUNTIMES:
            raise ValueError(unknown_name("runtime", runtime, RUNTIMES.names()))
        return runtime

    def conditions(self) -> Conditions:
        """Return what every block is measured under."""
        shared = self.model_dump(include={condition.name for condition in fields(Conditions)})
        return Conditions(**{**shared, "device": resolve_device(self.device).type})

    def contender(self, build: Callable[[], nn.Module]) -> Contender:
        """Return the network that `build` makes, to be run as these options say."""
        if self.precision == "auto":
            precision: Precision = resolve_precision("auto", resolve_device(self.device))
        else:
            precision = self.precision
        return Contender(build, self.runtime, precision, self.memory_format)


@register_measurement("latency")
class Latency(Measurement[LatencyOptions]):
    """Times the forward passes of all arms in one session."""

    Options = LatencyOptions
    metrics = (
        Metric("latency_ms/median", "Median latency", "ms", "lower", digits=2),
        Metric("latency_ms/low", "95 % low", "ms", "lower", digits=2),
        Metric("latency_ms/high", "95 % high", "ms", "lower", digits=2),
        Metric("latency_ms/p10", "p10", "ms", "lower", digits=2),
        Metric("latency_ms/p90", "p90", "ms", "lower", digits=2),
        Metric("throughput/images_per_s", "Throughput", "images/s", "higher"),
        Metric("error/to_eager", "Error to eager", "", "lower", digits=6),
    )
    in_turns = True

    @classmethod
    def read(cls, sections: Mapping[str, Any], task: Task, own: Mapping[str, Any]) -> LatencyOptions:
        """Return the options; the size is that at which cost is counted if not said otherwise."""
        size = sections.get("cost", {}).get("size") or task.info.size
        return parse(LatencyOptions, {"size": size, **sections.get(cls.section, {})}, cls.section)

    def forecast(self, arm: Arm) -> Forecast:
        """Time one pass, and return the arm's share of the least blocks; builds and new processes come on top."""
        options = self.options
        once = options.model_copy(update={"warmup": 1, "rounds": 1, "block_s": 0.0}).conditions()
        timed = run_block({arm.name: options.contender(partial(build_model, arm.spec))}, once, 0)[arm.name]
        passes_s = (options.warmup + options.rounds) * timed.samples[0] / 1e3
        return Forecast(options.blocks * max(passes_s, options.block_s / len(self.study.arms)))

    def session(
        self, cells: Sequence[Cell], lacking: Set[str], advance: Advance
    ) -> Mapping[str, Outcome | Failure]:
        """Time all arms in turns; an arm that does not run keeps none from it.

        Where no arm that lacks a result runs, or the session fails, the results that others have stand.
        """
        arms = {arm.name: arm for arm in self.study.arms}
        checks = {cell.cell_id: attempt(partial(self.rehearse, arms[cell.arm])) for cell in cells}
        failures = {cell_id: check for cell_id, check in checks.items() if isinstance(check, Failure)}
        if lacking <= failures.keys():
            return {cell_id: failures[cell_id] for cell_id in lacking}
        sound = [cell.arm for cell in cells if cell.cell_id not in failures]
        contenders = {arm: self.options.contender(partial(build_model, arms[arm].spec)) for arm in sound}
        measured = attempt(partial(measure_latency, contenders, self.options, advance))
        if isinstance(measured, Failure):
            return {cell_id: failures.get(cell_id, measured) for cell_id in lacking}
        return {cell.cell_id: failures.get(cell.cell_id) or measured[cell.arm] for cell in cells}

    def rehearse(self, arm: Arm) -> None:
        """Run a network once on the CPU, which raises what it has to."""
        model = build_model(arm.spec).eval()
        with torch.inference_mode():
            model(random_images(model, 1, self.options.size))


def measure_latency(
    contenders: Mapping[str, Contender],
    options: LatencyOptions,
    progress: Callable[[float], None] = lambda share: None,
    processes: Sequence[Executor] | None = None,
) -> dict[str, Outcome]:
    """Time the forward pass of every network, by name, on one random batch, in one session.

    A session runs blocks until the interval of every ratio to the reference is as narrow as asked, or until its
    time limit; in `processes`, or in fresh ones if not given. `progress` is called with the share of it that is
    done. Values are those of `summarise`, and
    "error/to_eager", the largest relative error (Frobenius norm) of an output, eager float32 being right; it is
    absent where outputs are not finite.
    Raises MachineError where device or runtime are missing, BenchError where the reference is.
    """
    conditions, start = options.conditions(), time.perf_counter()
    reference = options.reference or next(iter(contenders))
    if reference not in contenders:
        raise BenchError("latency.reference: " + unknown_name("arm", reference, contenders))
    for contender in contenders.values():
        require(contender.runtime, contender.precision, contender.memory_format, conditions.device)
    timed: list[dict[str, Timed]] = []
    with fresh_processes(options.processes) if processes is None else nullcontext(processes) as workers:
        ended = None
        while ended is None:
            timed.append(_block(contenders, conditions, len(timed), workers))
            session, elapsed = Session(timed, reference, options), time.perf_counter() - start
            progress(session.share(elapsed))
            ended = session.ended(elapsed)
    settings = {"compared_with": reference, "interleaved_with": len(contenders) - 1, "ended_by": ended}
    return {name: session.latency(name, contender, settings) for name, contender in contenders.items()}


def _block(
    contenders: Mapping[str, Contender], conditions: Conditions, number: int, processes: Sequence[Executor]
) -> dict[str, Timed]:
    if not processes:
        return run_block(contenders, conditions, number)
    process = number % len(processes)
    return processes[process].submit(run_block, contenders, conditions, number, process).result()


@dataclass(frozen=True)
class Session:
    """The blocks measured so far, and what follows from them."""

    timed: Sequence[Mapping[str, Timed]]
    reference: str
    options: LatencyOptions

    @property
    def blocks(self) -> list[Block]:
        """The reference's part in each block; what it says of the machine holds for all networks."""
        return [block[self.reference].block for block in self.timed]

    def ended(self, elapsed: float) -> str | None:
        """Return why the session is over after `elapsed` seconds; None while it is not.

        Disturbed blocks are replaced, until there are twice as many blocks as are asked for at least.
        """
        done, enough = len(self.timed), self.options.blocks
        replaced = undisturbed(self.blocks).sum() >= enough or done >= 2 * enough
        if replaced and self.reach() <= log1p(self.options.precise_to):
            return "precision"
        return "time limit" if done >= enough and elapsed >= self.options.time_limit_s else None

    def share(self, elapsed: float) -> float:
        """Return a guess at the share of the session that is done."""
        done, enough = len(self.timed), self.options.blocks
        if done < MIN_BLOCKS:
            return done / enough
        wanted = done * (self.reach() / log1p(self.options.precise_to)) ** 2
        return max(done / max(enough, wanted), min(elapsed / self.options.time_limit_s, done / enough))

    def reach(self) -> float:
        """Return how far the widest interval of a ratio reaches, as a logarithm; alone, that of a time itself."""
        keep = kept(self.blocks, self.options.blocks)
        times = {name: self._medians(name)[keep] for name in self.timed[0]}
        own = times.pop(self.reference)
        intervals = [geometric(medians / own) for medians in times.values()] or [geometric(own)]
        return max(log(interval.high / interval.center) for interval in intervals)

    def _medians(self, name: str) -> NDArray[np.float64]:
        return np.array([np.median(block[name].samples) for block in self.timed])

    def latency(self, name: str, contender: Contender, settings: Mapping[str, Any]) -> Outcome:
        """Return what the session says of one network."""
        mine = [block[name] for block in self.timed]
        samples = [sample for part in mine for sample in part.samples]
        blocks = [part.block for part in mine]
        values, error = summarise(samples, blocks, self.options), float(np.max([part.error for part in mine]))
        run = {
            option.name: getattr(contender, option.name) for option in fields(contender) if option.name != "build"
        }
        device = {"device": resolve_device(self.options.device).type, "threads": mine[0].threads}
        return Outcome(
            values | ({"error/to_eager": error} if isfinite(error) else {}),
            {**self.options.model_dump(mode="json", exclude={"reference"}), **run, **device, **settings},
            self._notes(),
            samples,
            blocks,
        )

    def _notes(self) -> list[str]:
        """Return the warnings that whoever reads the numbers needs."""
        disturbed, count = int((~undisturbed(self.blocks)).sum()), len(self.timed)
        notes = []
        if disturbed:
            left_out = not kept(self.blocks, self.options.blocks).all()
            notes.append(
                f"{disturbed} of {count} blocks were disturbed (others kept more than {MAX_OTHERS_CORES} cores "
                f"busy, or a fixed kernel's time was off its median by more than {MAX_OFF_MEDIAN:.0%}): "
                + ("they are left out." if left_out else "too many to leave them out, so they are kept.")
            )
        if self.reach() > log1p(self.options.precise_to):
            notes.append(
                f"the time limit of {self.options.time_limit_s:g} s was reached before every interval was within "
                f"{self.options.precise_to:.1%} of its ratio; the widest reaches {expm1(self.reach()):.1%}."
            )
        return notes


def summarise(samples: Sequence[float], blocks: Sequence[Block], options: LatencyOptions) -> dict[str, float]:
    """Summarise one network's forward passes in milliseconds, which stand in the order of its blocks.

    Values, of the blocks that count: "latency_ms/median", the geometric mean of the blocks' medians, with
    "latency_ms/low" and "latency_ms/high" (its 95 % interval over blocks), "latency_ms/p10" and "latency_ms/p90"
    of all samples, and "throughput/images_per_s" at the median.
    """
    keep = kept(blocks, options.blocks)
    counted = np.repeat(keep, [len(block.positions) for block in blocks])
    p10, p90 = np.percentile(np.asarray(samples)[counted], [10, 90])
    median, low, high = geometric(medians(samples, blocks)[keep])
    values = {
        "latency_ms/median": median,
        "latency_ms/p10": p10,
        "latency_ms/p90": p90,
        "latency_ms/low": low,
        "latency_ms/high": high,
        "throughput/images_per_s": 1e3 * options.batch_size / median,
    }
    return {name: float(value) for name, value in values.items()}
