"""The signals that ask a process to end: each ends a command in one sentence, with its usual exit code."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The process was asked to end; whoever holds something lets go of it on the way out."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number
        super().__init__(f"stopped by {signal.Signals(number).name}.")


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped for the signals in ENDING while the block runs; one that is ignored (nohup) stays so."""
    own = threading.current_thread() is threading.main_thread()
    heeded = [number for number in ENDING if own and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def noting() -> Iterator[list[Stopped]]:
    """Note the first of the signals that `stoppable` heeds, for the block to end what it began; the next raises."""
    noted: list[Stopped] = []

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            raise Stopped(number)
        noted.append(Stopped(number))

    own = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, note) for number in ENDING if own and signal.getsignal(number) is _stop}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    stopped = Stopped(number)
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            # libraries that are being loaded answer an exception with an abort and words of C++
            os.write(2, f"skipbench: {stopped}\n".encode())
            os._exit(stopped.code)
        frame = frame.f_back
    raise stopped
