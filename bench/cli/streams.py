"""Standard output and error that never end a command: full, closed or without the letters that are printed."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Lenient:
    """A text stream; once it takes nothing any more what is written is dropped, and `error` says why.

    A reader that has gone away (`skipbench status DIR | head`) is no error.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._closed = False
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write `text`, if it can be."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what has been written, if it can be."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], Any]) -> None:
        if self._closed:
            return
        try:
            action()
        except OSError as error:
            self._closed = True
            self.error = None if isinstance(error, BrokenPipeError) else error
            with suppress(OSError, ValueError):  # what is still held back would be tried again at the end
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextmanager
def lenient_streams() -> Iterator[Lenient]:
    """Make standard output and error `Lenient` while the block runs; yields the former.

    A letter that the terminal's encoding lacks is printed as "?".
    """
    before = sys.stdout, sys.stderr
    if None in before:  # closed before the start: the next file opened would take the place, and what is printed
        while (taken := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(taken)
    streams = [stream or io.StringIO() for stream in before]
    modes = [getattr(stream, "errors", None) for stream in streams]
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    out, err = map(Lenient, streams)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
        out.flush()
    finally:
        sys.stdout, sys.stderr = before
        for stream, errors in zip(streams, modes, strict=True):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors=errors)
