"""Which way of running a network is fastest and still gives what eager torch gives."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import nn

from skipbench.bench.attempt import Failure, attempt
from skipbench.bench.measure.latency import LatencyOptions
from skipbench.bench.measure.runtimes import RUNTIMES
from skipbench.bench.measure.timing import Contender, run_block

REFERENCE = "eager"
TOLERANCES = {"32-true": 1e-4, "bf16-mixed": 1e-2}  # of the relative error; int8 agrees with nothing


def ways(build: Callable[[], nn.Module], device: str, runtimes: Sequence[str] = ()) -> dict[str, Contender]:
    """Return every way to run the network that `build` makes on `device` with what is installed, by name.

    The first is eager torch as it is, the reference. `runtimes` are those wanted, all if empty; one that is
    asked for and not installed is returned too, to be refused in words.
    """
    found = {REFERENCE: Contender(build, "eager", "32-true", "contiguous")}
    for name in runtimes or RUNTIMES.names():
        runtime = RUNTIMES[name]
        if device not in runtime.devices or not (runtimes or runtime.available()):
            continue
        for precision in runtime.precisions:
            for memory_format in runtime.memory_formats:
                details = [name, *([precision] if precision != "32-true" else [])]
                details += [memory_format] if memory_format != "contiguous" else []
                found.setdefault(", ".join(details), Contender(build, name, precision, memory_format))
    return found


def try_out(contenders: Mapping[str, Contender], options: LatencyOptions) -> dict[str, Failure]:
    """Run each way once in this process, and return why those fail that do."""
    once = options.model_copy(update={"warmup": 0, "rounds": 1, "block_s": 0.0}).conditions()
    outcomes = {
        name: attempt(partial(run_block, {name: contender}, once, 0)) for name, contender in contenders.items()
    }
    return {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Failure)}


def agrees(precision: str, error: float) -> bool:
    """Return whether an output with that relative error counts as eager torch's; a NaN does not."""
    return error <= TOLERANCES.get(precision, -1.0)
