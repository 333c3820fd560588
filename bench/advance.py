"""How far a measurement is, and the states from which another process goes on with it."""

import time
from collections.abc import Callable

from skipbench.bench.signals import Stopped

KEEP_EVERY_S = 60.0  # seconds between the states of a cell that are kept


class Advance:
    """What a measurement tells how far it is, and gives states from which another process can go on.

    `state` is the last that an earlier process kept of the same cell, None where there is none.
    """

    def __init__(
        self,
        show: Callable[[float], None] = lambda share: None,
        keep: Callable[[bytes], None] | None = None,
        state: bytes | None = None,
        every_s: float = KEEP_EVERY_S,
    ) -> None:
        self._show, self._keep, self.state, self._every_s = show, keep, state, every_s
        self._kept_at = time.monotonic()
        self.stopping: Stopped | None = None  # set, from a signal's handler, where the process is to end soon

    def __call__(self, share: float) -> None:
        """Tell the share of the work that is done, 0 to 1. Raises Stopped where the process is to end."""
        self._show(share)
        if self.stopping is not None:
            raise self.stopping

    def keep(self, state: Callable[[], bytes]) -> None:
        """Keep what `state` returns where it is time to: some seconds after the last, or before the process ends.

        A measurement calls this before it tells its share.
        """
        if self._keep and (self.stopping or time.monotonic() - self._kept_at >= self._every_s):
            self._keep(state())
            self._kept_at = time.monotonic()
