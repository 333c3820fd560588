"""One block of a latency session: every network built afresh, then all of them timed in turns, in one process."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from multiprocessing import get_context, parent_process
from statistics import median

import torch
from torch import Tensor, nn

from skipbench.bench.measure.runtimes import Forward, MemoryFormat, Outputs, Precision, prepare, random_images
from skipbench.bench.measure.watch import Calibration, Watch, frequency_mhz
from skipbench.bench.plugins import load_plugins, loaded_paths
from skipbench.bench.records import Block
from skipbench.bench.training.machine import use_threads

SETTLE_S = 0.012  # OpenMP's threads keep their cores busy for 8 ms after the work, in case more comes


@dataclass(frozen=True)
class Contender:
    """A network to be timed and how it is run. It is pickled: other processes build it, once per block."""

    build: Callable[[], nn.Module]
    runtime: str
    precision: Precision
    memory_format: MemoryFormat


@dataclass(frozen=True)
class Conditions:
    """What a block is measured under, the same for all its networks. `threads` None: as many as torch uses."""

    size: tuple[int, int]
    batch_size: int
    device: str
    threads: int | None
    warmup: int
    rounds: int
    block_s: float
    seed: int


@dataclass(frozen=True)
class Timed:
    """One network's part in a block; `error` is that of its output, relative to eager float32."""

    block: Block
    samples: list[float]
    error: float
    threads: int


@dataclass
class _Ready:
    """A network that is built and prepared, and what has been measured of it."""

    forward: Forward
    images: Tensor
    error: float
    samples: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)


def run_block(
    contenders: Mapping[str, Contender], conditions: Conditions, number: int, process: int = 0
) -> dict[str, Timed]:
    """Build all networks and time each once per round, in random order, after `warmup` rounds that are not kept.

    Rounds go on until there are `rounds` of them and `block_s` seconds have passed. The order follows from
    the seed and the block's `number`, and so do the weights of networks that draw theirs. Where runtimes differ,
    each pass, and the calibration's, waits until the threads of the one before it are asleep: no runtime can use
    those of another.
    """
    settle_s = SETTLE_S if len({contender.runtime for contender in contenders.values()}) > 1 else 0.0
    started, seed = datetime.now(timezone.utc).isoformat(), conditions.seed + 1000 * number
    order, device = random.Random(seed), torch.device(conditions.device)
    torch.compiler.reset()  # a program compiled for another block's network is of no use to this one's
    with use_threads(conditions.threads) as threads, torch.inference_mode():
        ready = {name: _ready(contender, conditions, seed) for name, contender in contenders.items()}
        calibration, kernel = [], Calibration(device)
        watch, start, done = Watch(), time.perf_counter(), 0
        while done < conditions.warmup + conditions.rounds or time.perf_counter() - start < conditions.block_s:
            kept = done >= conditions.warmup
            milliseconds = _milliseconds(kernel, device, settle_s)
            calibration += [milliseconds] if kept else []
            for position, name in enumerate(order.sample(list(ready), len(ready))):
                network = ready[name]
                milliseconds = _milliseconds(partial(network.forward, network.images), device, settle_s)
                if kept:
                    network.samples.append(milliseconds)
                    network.positions.append(position)
            done += 1
    shared = Block(
        started_at=started,
        process=process,
        positions=[],
        calibration_ms=median(calibration),
        others_cores=watch.others_cores(),
        frequency_mhz=frequency_mhz(),
    )
    blocks = {name: shared.model_copy(update={"positions": network.positions}) for name, network in ready.items()}
    return {name: Timed(blocks[name], network.samples, network.error, threads) for name, network in ready.items()}


def _ready(contender: Contender, conditions: Conditions, seed: int) -> _Ready:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = contender.build().eval().to(conditions.device)
    images = random_images(model, conditions.batch_size, conditions.size, conditions.seed).to(conditions.device)
    wanted = _numbers(model(images))
    way = contender.runtime, contender.precision, contender.memory_format
    forward = prepare(model, images, *way)
    if contender.memory_format == "channels_last":
        images = images.contiguous(memory_format=torch.channels_last)
    error = float((_numbers(forward(images)) - wanted).norm() / wanted.norm())
    return _Ready(forward, images, error)


def _numbers(outputs: Outputs) -> Tensor:
    """Return all that a network gives as one copy, float32."""
    return torch.cat([output.float().flatten() for output in (outputs if isinstance(outputs, list) else [outputs])])


def _milliseconds(work: Callable[[], object], device: torch.device, settle_s: float) -> float:
    """Return the milliseconds that `work` takes, until the device has finished it, begun after `settle_s`."""
    _wait(device)
    time.sleep(settle_s)
    start = time.perf_counter()
    work()
    _wait(device)
    return 1e3 * (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def fresh_processes(count: int) -> Iterator[Sequence[Executor]]:
    """Yield `count` new Python processes with the plug-ins of this one, which end with it, whatever ends it."""
    with ExitStack() as stack:
        context, plugins = get_context("spawn"), loaded_paths()
        processes = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=context, initializer=_end_with_parent))
            for _ in range(count)
        ]
        for started in [process.submit(load_plugins, plugins) for process in processes]:
            started.result()
        yield processes


def _end_with_parent() -> None:
    """Leave interrupts to the parent, and end when it does: a killed parent closes no queue."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
