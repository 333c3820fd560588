"""Cost of a network: parameters, multiply-accumulates and activations, split by part of the network.

A MAC is one multiply-accumulate of a convolution (transposed ones too), a matrix product or an attention;
nothing else is a MAC. Activations are the elements that these operators put out. fvcore counts both; torch's
FlopCounterMode counts the same operators independently, 2 FLOPs to a MAC, and gives "flops/total". Whatever
else runs (norms, activations, additions, resizing, pooling, copies) is in none of these numbers: a note
names each such operator and how often it ran.
"""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from archs import ArchSpec, build_model, part_of
from bench.inputs import random_images
from bench.records import PARTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # fvcore scripts a function, which torch deprecates
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

NOT_MACS = (  # operators that fvcore gives element-wise FLOPs, which it would add to the MACs
    "batch_norm",
    "group_norm",
    "layer_norm",
    "instance_norm",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "adaptive_avg_pool2d",
    "grid_sampler",
)
ATTENTION = "aten::scaled_dot_product_attention"  # fvcore has no rule for it


@dataclass(frozen=True)
class Cost:
    """Counts by name, the operators that are in none of them, and what was counted."""

    values: dict[str, float]
    notes: list[str]
    settings: dict[str, Any]


def cost(model: nn.Module | ArchSpec, image_size: tuple[int, int]) -> Cost:
    """Count what one image (H, W) costs the network in eval mode; the network itself stays as it is.

    Values: "params/total", "params/trainable", "buffers/total" (elements), "macs/total",
    "activations/total", "flops/total", and "params|macs|activations/<part>". A parameter that modules share
    counts once, for the first module that holds it; its MACs count wherever it is used.
    """
    model = build_model(model) if isinstance(model, ArchSpec) else model
    values = _parameters(model)
    model = copy.deepcopy(model).eval().requires_grad_(False)
    image = random_images(model, 1, image_size)
    with _attention_as_products():
        macs = FlopCountAnalysis(model, image).set_op_handle(ATTENTION, _attention_macs)
        macs.set_op_handle(**{f"aten::{name}": _no_macs for name in NOT_MACS})
        activations = ActivationCountAnalysis(model, image).set_op_handle(ATTENTION, _attention_activations)
        for name, analysis in (("macs", macs), ("activations", activations)):
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)  # see the notes
            values |= _split(name, _own(analysis.by_module()))
        with FlopCounterMode(display=False) as flops, _LeftOut() as left_out:
            model(image)
    values["flops/total"] = flops.get_total_flops()
    notes = [*_disagreement(values, macs.unsupported_ops()), *left_out.notes()]
    return Cost(values, notes, {"image_size": list(image_size), "batch_size": 1})


@contextmanager
def _attention_as_products() -> Iterator[None]:
    """Keep torch from its fused attention kernels, whose products FlopCounterMode does not see."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _no_macs(inputs: list[Any], outputs: list[Any]) -> int:
    return 0


def _attention_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """Count query x key and weights x value: (..., L, E) x (..., S, E) and (..., L, S) x (..., S, V)."""
    query, key, value = (tuple[int, ...](tensor.type().sizes()) for tensor in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_activations(inputs: list[Any], outputs: list[Any]) -> int:
    return math.prod(outputs[0].type().sizes())


def _parameters(model: nn.Module) -> dict[str, float]:
    parameters = dict(model.named_parameters())
    return _split("params", {name: each.numel() for name, each in parameters.items()}) | {
        "params/trainable": sum(each.numel() for each in parameters.values() if each.requires_grad),
        "buffers/total": sum(each.numel() for each in model.buffers()),
    }


def _own(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what each module counts itself, from counts that include all modules below it."""
    own = Counter(counts)
    for name, count in counts.items():
        if name:
            own[name.rpartition(".")[0]] -= count
    return own


def _split(quantity: str, counts: Mapping[str, int]) -> dict[str, float]:
    """Return the total and the sum per part of what is counted by module or parameter name."""
    values = dict.fromkeys((f"{quantity}/{part}" for part in ("total", *PARTS)), 0.0)
    for name, count in counts.items():
        values[f"{quantity}/{part_of(name)}"] += count
        values[f"{quantity}/total"] += count
    return values


def _disagreement(values: Mapping[str, float], unknown: Iterable[str]) -> list[str]:
    """Return a note where the counters differ; it names the operators that fvcore has no rule for."""
    macs, flops = values["macs/total"], values["flops/total"]
    if flops == 2 * macs:
        return []
    names = ", ".join(sorted(name.removeprefix("aten::") for name in unknown))
    return [
        f"fvcore counts {macs:.0f} MACs (what the output depends on), torch {flops / 2:.0f} (all that ran); "
        f"fvcore has no rule for: {names or 'none'}."
    ]


class _LeftOut(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the operators that run and are no MACs; views cost nothing and are left aside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ran: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket not in flop_registry and not func.is_view:
            self._ran[func._overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))

    def notes(self) -> list[str]:
        """Return one note with every operator and how often it ran, or none."""
        ran = ", ".join(f"{name} {times}x" for name, times in sorted(self._ran.items()))
        return [f"not counted as MACs: {ran}."] if ran else []
