"""A line now and then where there is no terminal, so that whoever reads a log sees that work goes on."""

import threading
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape

EVERY_S = 30.0


class Heartbeat:
    """Prints what `line` returns whenever nothing has been printed for EVERY_S seconds; a context manager."""

    def __init__(self, console: Console, line: Callable[[], str]) -> None:
        self._console, self._line = console, line
        self._over, self._printed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        if not self._console.is_terminal:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._printed.set()
        if self._thread.is_alive():
            self._thread.join()

    def printed(self) -> None:
        """Note that something else has been printed."""
        self._printed.set()

    def _beat(self) -> None:
        while not self._over.is_set():
            if not self._printed.wait(EVERY_S):
                self._console.print(escape(self._line()), highlight=False)
            self._printed.clear()
