"""What is wrong with a fusion's code, in words that name the line and what the contract says."""

import inspect
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from skipbench.display import first_line, quieter, where

Explain = Callable[[BaseException], str | None]
CONTRACT = "forward(coarse, skip) takes the map from above, then the skip, in one size"
PROBE = (64, 128, 64)  # channels that tell the two maps apart, and that most code takes
RESIZING = ("interpolate", "upsample", "pool", "grid_sample")
DEVICES = ("NVIDIA driver", "not compiled with CUDA", "not on the expected device", "on the same device")
LIBRARY = Path(torch.__file__).parent


def in_words_of(fusion: type[Any], error: BaseException) -> str | None:
    """Return what is wrong, None where the error says it best."""
    line = where(error, file_of(fusion))
    words = f"raised {type(error).__name__}: {first_line(error)}{line}"
    told = str(error)
    if "__init__() missing" in told or "before Module.__init__() call" in told:
        return f"__init__ {words}; call super().__init__(coarse_channels, skip_channels, out_channels) first."
    if "data-dependent" in told:
        return f"torch.export cannot trace it{line}: it branches on a map's values, so choose with torch.where."
    if "abstract method forward" in told or "abstract methods forward" in told:
        return f"the class has no forward; {CONTRACT}."
    if "Constraints violated" in told:
        return (
            "torch.export finds that it takes one size alone: it loops over rows or columns, or has a size as a "
            "number, so write it with operations that take any size."
        )
    if any(word in told for word in DEVICES):
        return f"{words}; it names a device: use that of the map, as coarse.device, or a buffer."
    if takes_them_swapped(fusion):
        return f"{words}; it works with the two maps exchanged: {CONTRACT}."
    if isinstance(error, TypeError) and ("forward()" in told or "positional argument" in told):
        return f"{words}{'' if line else _line_of_forward(fusion)}; {CONTRACT}."
    if "must match" in told and (resizing := resizing_line(fusion)):
        return f"{words}; {resizing}, resizes, but {CONTRACT}."
    return words if line else None


def resizing_line(fusion: type[Any]) -> str:
    """Return the first line that resizes a map, "" where none does: "mine.py, line 7"."""
    with Resizings() as resizings, torch.no_grad():
        _fits(fusion, *(torch.randn(2, channels, 4, 6) for channels in PROBE[:2]))
    return str(resizings.line)


def _line_of_forward(fusion: type[Any]) -> str:
    code = getattr(fusion.forward, "__code__", None)
    return f", line {code.co_firstlineno}" if code else ""


def file_of(part: type[Any]) -> str:
    """Return the file that a class is written in, "" where there is none."""
    try:
        return inspect.getsourcefile(part) or ""
    except TypeError:  # of what was typed in, as in a notebook
        return ""


def order_of(fusion: type[Any]) -> str | None:
    """Return what is wrong with the names that `forward` gives the two maps, if anything is."""
    names = list(inspect.signature(fusion.forward).parameters)[1:3]
    if names != ["skip", "coarse"]:
        return None
    return f"forward takes (skip, coarse){_line_of_forward(fusion)}, but {CONTRACT}: exchange the two."


def takes_them_swapped(fusion: type[Any]) -> bool:
    """Return whether maps of different channels fit in the wrong order alone."""
    coarse, skip = (torch.randn(2, channels, 4, 6) for channels in PROBE[:2])
    return _fits(fusion, skip, coarse) and not _fits(fusion, coarse, skip)


def _fits(fusion: type[Any], *maps: Tensor) -> bool:
    try:
        fused = fusion.fused_channels(*PROBE)
        return tuple(fusion(*PROBE[:2], fused)(*maps).shape) == (2, fused, 4, 6)
    except (Exception, SystemExit):  # somebody else's code may raise anything
        return False


class Resizings(TorchFunctionMode):
    """Notes the first line of a part that resizes; as text " (mine.py, line 7, resizes)", or ""."""

    def __init__(self) -> None:
        super().__init__()
        self.line = ""
        self.needless = ""  # the line that asks for the size that is there already

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function."""
        result = func(*args, **(kwargs or {}))
        if any(word in getattr(func, "__name__", "") for word in RESIZING):
            frames = traceback.extract_stack()[:-1]
            own = [frame for frame in frames if LIBRARY not in Path(frame.filename).parents]
            line = f"{Path(own[-1].filename).name}, line {own[-1].lineno}"
            self.line = self.line or line
            same = isinstance(result, Tensor) and args and result.shape[-2:] == args[0].shape[-2:]
            self.needless = self.needless or (line if same and "interpolate" in func.__name__ else "")
        return result

    def __str__(self) -> str:
        return f" ({self.line}, resizes)" if self.line else ""


@contextmanager
def silent_export() -> Iterator[None]:
    """Keep to itself what torch.export logs and prints of code that it cannot trace: graphs of its own."""
    with ExitStack() as stack:
        for stream in (redirect_stdout, redirect_stderr):
            stack.enter_context(stream(StringIO()))
        for name in ("torch", "torch.fx", "torch._dynamo", "torch.export"):
            stack.enter_context(quieter(name, logging.CRITICAL))
        yield
