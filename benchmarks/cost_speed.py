"""Time the count of a network's cost, beside fvcore's and torch's counters, which execute or trace the network.

    python benchmarks/cost_speed.py [--rounds N] [--encoder resnet18] [--size 256]

The counts of all models take turns, so that what else the machine does falls on all alike; building the models is
not timed. fvcore counts MACs and activations in two traces, torch in one execution; the ledger counts MACs,
element-wise operations, bytes and two peaks of memory in one pass each of inference and of training on shapes.
"""

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skipbench import archs
from skipbench.bench.measure.cost import cost

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # fvcore scripts a function, which torch deprecates
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

MODELS = ("unet", "hourglass", "fpn", "rectified_gaussian")


def by_execution(model: nn.Module, size: int) -> None:
    """Count MACs and activations as fvcore and torch do."""
    image = torch.zeros(1, 3, size, size)
    for analysis in (FlopCountAnalysis(model, image), ActivationCountAnalysis(model, image)):
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.by_module()
    with torch.no_grad(), FlopCounterMode(display=False):
        model(image)


def main() -> None:
    """Print the median milliseconds of both ways per model, and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    models = {name: archs.create_model(name, encoder_name=options.encoder).eval() for name in MODELS}
    ways: dict[str, Callable[[nn.Module], object]] = {
        "ledger": lambda model: cost(model, (options.size, options.size)),
        "fvcore and torch": lambda model: by_execution(model, options.size),
    }
    seconds = defaultdict(list)
    for number in range(options.rounds + 1):
        for name, model in models.items():
            for way, run in ways.items():
                start = time.perf_counter()
                run(model)
                if number:  # the first round imports what torch loads late
                    seconds[name, way].append(time.perf_counter() - start)
    for name in MODELS:
        ours, theirs = (statistics.median(seconds[name, way]) for way in ways)
        print(f"{name}: {1e3 * ours:.0f} ms, by execution {1e3 * theirs:.0f} ms, {theirs / ours:.1f} times")


if __name__ == "__main__":
    main()
