"""Latency of several networks, measured side by side: each round times every network once, in random order.

So that drift of the machine (heat, other load) falls on all of them alike.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import bootstrap
from torch import Tensor, nn

from bench.inputs import random_images
from bench.machine import Device, Precision, resolve_device, resolve_precision, use_threads

Count = Annotated[int, Field(ge=1)]
CONFIDENCE = 0.95
RESAMPLES = 2000


class LatencyOptions(BaseModel):
    """How latency is measured; every option is a column of the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: Annotated[int, Field(ge=2)] = 30  # forward passes timed per network
    warmup: Annotated[int, Field(ge=0)] = 3  # rounds that are run first and not kept
    size: tuple[Count, Count] = (256, 256)  # (H, W) of the input in pixels
    batch_size: Count = 1
    threads: Count | None = None  # CPU threads; None: as many as torch uses already
    precision: Precision = "32-true"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    device: Device = "auto"
    seed: int = 0  # of the order within rounds, the input and the bootstrap


@dataclass(frozen=True)
class Latency:
    """One network's latency: summary by name, every sample in milliseconds, resolved options."""

    values: dict[str, float]
    samples: list[float]
    settings: dict[str, Any]


def measure_latency(
    models: Mapping[str, nn.Module],
    options: LatencyOptions,
    progress: Callable[[int], None] = lambda rounds: None,
) -> dict[str, Latency]:
    """Time the forward pass of every network, by name, on one random batch.

    The networks are left in eval mode, on the device and in the memory format measured. `progress` is
    called with the number of rounds done, warm-up included. Values are those of `summarise`.
    Raises MachineError where the device is missing.
    """
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    order = random.Random(options.seed)
    samples: dict[str, list[float]] = {name: [] for name in models}
    with (
        use_threads(options.threads) as threads,
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"),
    ):
        ready = {name: _place(model.eval(), device, options) for name, model in models.items()}
        inputs = {name: _input(model, device, options) for name, model in ready.items()}
        for done in range(options.warmup + options.rounds):
            for name in order.sample(list(models), len(models)):
                milliseconds = _time(ready[name], inputs[name], device)
                if done >= options.warmup:
                    samples[name].append(milliseconds)
            progress(done + 1)
    settings = options.model_dump(mode="json") | {
        "device": device.type,
        "precision": precision,
        "threads": threads,
        "interleaved_with": len(models) - 1,
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
    }
    return {
        name: Latency(summarise(times, options.batch_size, options.seed), times, settings)
        for name, times in samples.items()
    }


def _place(model: nn.Module, device: torch.device, options: LatencyOptions) -> nn.Module:
    placed: nn.Module = model.to(device, memory_format=_memory_format(options))  # type: ignore[call-overload]
    return placed


def _memory_format(options: LatencyOptions) -> torch.memory_format:
    return torch.channels_last if options.memory_format == "channels_last" else torch.contiguous_format


def _input(model: nn.Module, device: torch.device, options: LatencyOptions) -> Tensor:
    images = random_images(model, options.batch_size, options.size, options.seed)
    return images.to(device).contiguous(memory_format=_memory_format(options))


def _time(model: nn.Module, batch: Tensor, device: torch.device) -> float:
    """Return the milliseconds that one forward pass takes, until the device has finished it."""
    _wait(device)
    start = time.perf_counter()
    model(batch)
    _wait(device)
    return 1e3 * (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def summarise(samples: list[float], batch_size: int, seed: int) -> dict[str, float]:
    """Summarise forward passes in milliseconds, of `batch_size` images each.

    Values: "latency_ms/median", "latency_ms/p10", "latency_ms/p90", "latency_ms/low" and "latency_ms/high"
    (95 % bootstrap interval of the median, BCa, seeded) and "throughput/images_per_s" at the median.
    """
    p10, median, p90 = np.percentile(samples, [10, 50, 90])
    low = high = median
    if min(samples) < max(samples):  # resampling equal numbers has no spread to correct for
        interval = bootstrap(
            (samples,),
            np.median,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        low, high = interval.low, interval.high
    values = {
        "latency_ms/median": median,
        "latency_ms/p10": p10,
        "latency_ms/p90": p90,
        "latency_ms/low": low,
        "latency_ms/high": high,
        "throughput/images_per_s": 1e3 * batch_size / median,
    }
    return {name: float(value) for name, value in values.items()}
