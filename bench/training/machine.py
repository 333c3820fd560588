"""What this machine can do, and its settings, changed for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator

from skipbench.bench.errors import BenchError


def device_of(given: Any) -> Any:
    """Return the kind of device that is meant. Raises ValueError, which says what there is, for any other text.

    Which of several GPUs computes is no option of a measurement: results don't depend on it, and a run gives each
    of its cells one of those that it sees.
    """
    if not isinstance(given, str) or given in ("auto", "cpu", "cuda"):
        return given
    kind, _, number = given.strip().lower().partition(":")
    count = torch.cuda.device_count()
    there = f"torch finds {count} GPU{'s' * (count > 1)} here" if count else "torch finds no GPU here"
    if kind in ("cpu", "cuda") and (not number or (kind == "cpu" and number == "0")):
        return kind
    if kind in ("cuda", "gpu") and number.isdecimal():
        raise ValueError(
            f"'{given}' is one GPU of several: set CUDA_VISIBLE_DEVICES={number} before the command, and take "
            f"'cuda' ({there})."
        )
    raise ValueError(f"'{given}' is no device to compute on: expected 'cpu', 'cuda' or 'auto' ({there}).")


Device = Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(device_of)]
Precision = Literal["auto", "32-true", "bf16-mixed"]  # Lightning Fabric's words


class MachineError(BenchError):
    """This machine lacks what was requested."""


def resolve_device(device: Device) -> torch.device:
    """Return the device to use: "auto" is the GPU where there is one. Raises MachineError without one."""
    if device == "cuda" and not torch.cuda.is_available():
        raise MachineError("device 'cuda' was requested, but torch finds no GPU; use 'cpu' or 'auto'.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def require_devices(device: torch.device, count: int) -> None:
    """Raise MachineError where there are fewer than `count` such devices; a CPU has room for any number."""
    if device.type == "cuda" and count > torch.cuda.device_count():
        raise MachineError(f"{count} devices were requested, but torch finds {torch.cuda.device_count()} GPUs.")


def resolve_precision(precision: Precision, device: torch.device) -> Literal["32-true", "bf16-mixed"]:
    """Return the precision to use: "auto" is bf16-mixed where `device` computes bfloat16 natively."""
    if precision == "auto":
        return "bf16-mixed" if _native_bfloat16(device) else "32-true"
    return precision


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@contextmanager
def use_threads(threads: int | None) -> Iterator[int]:
    """Run torch with `threads` threads for a while (None: as many as now); yields how many those are."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
