"""Random integers that are the same on every machine and with every NumPy, for the scene generator."""

import numpy as np

from skipbench.bench.data.scenes.geometry import Array


class Draws:
    """Bounded integers from the raw 64-bit output of PCG64, one independent stream per `key`.

    NumPy guarantees the raw output and the seeding for ever, but not the methods of `Generator`;
    and whole numbers, unlike floats, leave no rounding to the machine.
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._ready: list[int] = []

    def below(self, bound: int) -> int:
        """Return an integer in [0, bound)."""
        if not self._ready:
            self._ready = self._bits.random_raw(64).tolist()  # many at once: a call costs more than a number
        return self._ready.pop() * bound >> 64

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def bytes(self, *shape: int) -> Array:
        """Return integers in [0, 256) as a uint8 array of `shape`."""
        count = int(np.prod(shape))
        raw = self._bits.random_raw(-(-count // 8))
        return raw.astype("<u8").view(np.uint8)[:count].reshape(shape)
