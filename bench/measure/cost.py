"""Cost of one image: parameters, and what a forward pass runs, in columns that are never added up.

MACs are multiply-accumulates; element-wise operations are counted in elements, by kind; bytes are read and
written, each operand and result once per operator, as if nothing were fused or cached. All that runs counts,
whether or not the output depends on it. `archs.ledger` says what each operator is worth, and counts.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from skipbench.archs import ArchSpec, EncoderDecoder, blank_model, build_model, parts_of
from skipbench.archs.ledger import KINDS, Ledger, count, on_a_copy, training_peak
from skipbench.bench.advance import Advance
from skipbench.bench.measure.base import Arm, Forecast, Measurement, Options, register_measurement
from skipbench.bench.measure.runtimes import random_images
from skipbench.bench.records import PARTS, Outcome
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import Task

Pixels = Annotated[int, Field(strict=True, gt=0)]
QUANTITIES = (  # that are split by part: key, label, unit, scale, whether rules per operator give it
    ("params", "Parameters", "M", 1e-6, False),
    ("macs", "MACs", "G", 1e-9, True),
    ("activations", "Activations", "M", 1e-6, True),
    ("bytes", "Bytes moved", "MB", 1e-6, False),
)

SIDE = 1024  # of the matrices that are multiplied
ELEMENTS = 2**24  # of the arrays that are added, 64 MB each: more than caches hold
SEARCH_S = 0.5  # for the best of each; in .1 s a neighbour may keep a core for all of it


def _by_part(key: str, label: str, unit: str, scale: float, counted: bool) -> list[Metric]:
    labels = {"total": label, **{part: f"{label}: {part}" for part in PARTS}}
    return [
        Metric(f"{key}/{part}", shown, unit, "lower", scale, 3, counted=counted) for part, shown in labels.items()
    ]


def _element_wise(kind: str, label: str) -> Metric:
    return Metric(f"elementwise/{kind}", label, "M", "lower", 1e-6, 3, counted=True)


class CostOptions(Options):
    """How cost is counted."""

    size: tuple[Pixels, Pixels] | None = None  # (H, W) in pixels; None: the data's own size


@register_measurement("cost")
class Cost(Measurement[CostOptions]):
    """Counts each arm's cost, and measures what the machine does at best."""

    Options = CostOptions
    metrics = (
        *(metric for quantity in QUANTITIES for metric in _by_part(*quantity)),
        _element_wise("total", "Element-wise operations"),
        *(_element_wise(kind, f"Element-wise: {kind}") for kind in KINDS),
        Metric("peak_bytes/inference", "Peak of activations, inference", "MB", "lower", 1e-6),
        Metric("peak_bytes/training", "Peak of activations, training", "MB", "lower", 1e-6),
        Metric("operators/unruled", "Calls without a rule", "", "lower", digits=0),
        Metric("params/trainable", "Trainable", "M", "lower", 1e-6, 3),
        Metric("buffers/total", "Buffers", "M", "lower", 1e-6, 3),
        Metric("flops/total", "FLOPs", "G", "lower", 1e-9, 3, counted=True),
        Metric("machine/macs_per_s", "The machine's MACs", "G/s", scale=1e-9),
        Metric("machine/bytes_per_s", "The machine's memory", "GB/s", scale=1e-9),
    )
    timed = False

    @classmethod
    def read(cls, sections: Mapping[str, Any], task: Task, own: Mapping[str, Any]) -> CostOptions:
        """Return the options with a size."""
        options = super().read(sections, task, own)
        return options.model_copy(update={"size": options.size or task.info.size})

    @classmethod
    def prepare(cls) -> dict[str, float]:
        """Measure what the machine does at best."""
        return machine_limits(torch.get_num_threads())

    def forecast(self, arm: Arm) -> Forecast:
        """Count all but what training needs of memory, which takes as long again."""
        assert self.options.size is not None
        start = time.perf_counter()
        values = cost(arm.spec, self.options.size, training=False).values
        return Forecast(2 * (time.perf_counter() - start), values)

    def measure(self, arm: Arm, seed: int | None, advance: Advance) -> Outcome:
        """Return what `cost` counts, and what the machine does at best."""
        assert self.options.size is not None
        counted = cost(arm.spec, self.options.size)
        return replace(counted, values=counted.values | self.prepared)


def cost(model: nn.Module | ArchSpec, image_size: tuple[int, int], training: bool = True) -> Outcome:
    """Count what one image (H, W) costs the network in eval mode; the network itself stays as it is.

    Values:
    - "params/total", "params/trainable", "buffers/total" (elements); a parameter that modules share counts once,
      for the first module that holds it, and its MACs wherever it is used;
    - "macs/total", "flops/total" (two to a MAC), "activations/total" (elements that operators with MACs put out);
    - "elementwise/total" and "elementwise/<kind>", in elements;
    - "bytes/total", read and written;
    - "peak_bytes/inference" and "peak_bytes/training": the most that activations hold at once, the image among
      them and parameters not; in training with all that is kept for the backward pass, of a batch of two, since
      norms need two values, and halved; not without `training`;
    - "operators/unruled": how often operators ran that have no rule. Where that is not 0, MACs, FLOPs,
      activations and element-wise operations are at least what is said, and a note names the operators.
    Of an EncoderDecoder also "params|macs|activations|bytes/<part>".
    """
    if isinstance(model, ArchSpec):
        return _cost_of_spec(model, image_size, training)
    image = random_images(model, 1, image_size)
    (ledger, peak), device = on_a_copy(model, (image,), partial(_run, training=training))
    values = _parameters(model) | _sums(ledger, isinstance(model, EncoderDecoder))
    notes = []
    if isinstance(peak, int):
        values["peak_bytes/training"] = peak / 2
    elif peak is not None:
        notes.append(f"Training memory is not known: a forward pass in training mode raised {type(peak).__name__}.")
    if ledger.unruled:
        ran = ", ".join(f"{name} {times}x" for name, times in sorted(ledger.unruled.items()))
        notes.append(f"Operators without a rule, which make the cost a lower bound: {ran}.")
    settings = {"image_size": list(image_size), "batch_size": 1, "counted_on": device}
    return Outcome(values, settings, notes)


def _cost_of_spec(spec: ArchSpec, image_size: tuple[int, int], training: bool) -> Outcome:
    """Count a network that is built without weights; with them only where it does not run otherwise."""
    try:
        return cost(blank_model(spec), image_size, training)
    except Exception:  # whatever a network does with values that are not there
        return cost(build_model(spec.fresh), image_size, training)


def _run(model: nn.Module, images: tuple[Tensor], training: bool) -> tuple[Ledger, int | Exception | None]:
    """Return the ledger of one image and, of two, the peak in training or why there is none; None if not asked."""
    ledger = count(model.eval(), images, parts_of(model))
    if not training:
        return ledger, None
    model.train()
    forward = model.predictions if isinstance(model, EncoderDecoder) else model
    try:
        return ledger, training_peak(model, forward, torch.cat([*images, *images]))
    except Exception as error:
        return ledger, error


def _parameters(model: nn.Module) -> dict[str, float]:
    """Return the elements of parameters and buffers."""
    parts, own = parts_of(model), Counter[str]()
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter not in seen:
                own[parts.get(module, "")] += parameter.numel()
                seen.add(parameter)
    return _split("params", own, bool(parts)) | {
        "params/trainable": sum(parameter.numel() for parameter in seen if parameter.requires_grad),
        "buffers/total": sum(buffer.numel() for buffer in model.buffers()),
    }


def _sums(ledger: Ledger, has_parts: bool) -> dict[str, float]:
    macs, activations, moved = (
        _split(name, sums, has_parts)
        for name, sums in (("macs", ledger.macs), ("activations", ledger.activations), ("bytes", ledger.bytes))
    )
    return {
        **macs,
        **activations,
        **moved,
        "flops/total": 2 * macs["macs/total"],
        "elementwise/total": sum(ledger.elementwise.values()),
        **{f"elementwise/{kind}": ledger.elementwise[kind] for kind in KINDS},
        "peak_bytes/inference": ledger.peak_bytes,
        "operators/unruled": sum(ledger.unruled.values()),
    }


def _split(quantity: str, sums: Mapping[str, int], has_parts: bool) -> dict[str, float]:
    """Return the total of what is summed up by part, and each part where the network has parts."""
    parts = {f"{quantity}/{part}": float(sums.get(part, 0)) for part in PARTS if has_parts}
    return {f"{quantity}/total": float(sum(sums.values())), **parts}


@cache
def machine_limits(threads: int) -> dict[str, float]:
    """Return "machine/macs_per_s" and "machine/bytes_per_s" of the CPU in float32, the best of several repeats.

    The two limits of a roofline (Williams, Waterman and Patterson, 2009): a network that moves more bytes per MAC
    than the machine can in the time of one is bound by memory, any other by arithmetic. They are those of a matrix
    product and of a sum of two arrays, which reads two and writes one. Measured once per process and
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
