"""What this machine does at best: multiply-accumulates and bytes per second, the two limits of a roofline.

Williams, Waterman and Patterson, 2009: a network that moves more bytes per MAC than the machine can in the time of
one is bound by memory, any other by arithmetic.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

SIDE = 1024  # of the matrices that are multiplied
ELEMENTS = 2**24  # of the arrays that are added, 64 MB each: more than caches hold
SEARCH_S = 0.5  # for the best of each; in .1 s a neighbour may keep a core for all of it


@cache
def machine_limits(threads: int) -> dict[str, float]:
    """Return "machine/macs_per_s" and "machine/bytes_per_s" of the CPU in float32, the best of several repeats.

    Of a matrix product and of a sum of two arrays, which reads two and writes one. Measured once per process and
    number of threads, which are those that torch uses now.
    """
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    first, second, both = torch.rand(ELEMENTS), torch.rand(ELEMENTS), torch.empty(ELEMENTS)
    product = _best_seconds(lambda: left @ right)
    addition = _best_seconds(lambda: torch.add(first, second, out=both))
    moved = 3 * ELEMENTS * first.element_size()
    return {"machine/macs_per_s": SIDE**3 / product, "machine/bytes_per_s": moved / addition}


def _best_seconds(run: Callable[[], Any]) -> float:
    run()
    seconds, end = [], time.perf_counter() + SEARCH_S
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
