"""Is Hourglass FPN? The two by one factor at a time: what each costs, and whether the outputs are equal then."""

from dataclasses import dataclass
from typing import Any

import torch

from skipbench.archs import ArchSpec, build_model, resolve_spec
from skipbench.bench.measure.cost import cost

SHARED: dict[str, Any] = {"encoder": "resnet10t_quarter", "width": 64, "classes": 4, "strides": (4, 8, 16, 32)}
SIZE = (64, 64)  # (H, W) in px of the image that is counted


@dataclass(frozen=True)
class Step:
    """One factor of Hourglass set as FPN has it, after those before it; what that changes in the whole network."""

    factor: str
    before: str
    after: str
    params: int
    macs: int


@dataclass(frozen=True)
class Alignment:
    """The factors in which the two differ, and the largest difference of any logit once none is left."""

    steps: list[Step]
    difference: float


def align(seed: int = 0) -> Alignment:
    """Return what it takes to make Hourglass an FPN: factor by factor, in the order of the design space.

    At the end both have the same weights and predict the same random image; 0 is equal to the bit.
    """
    spec, target = (resolve_spec(name, **SHARED) for name in ("hourglass", "fpn"))
    steps = []
    for factor in type(spec).model_fields:
        before, after = getattr(spec, factor), getattr(target, factor)
        if before != after:
            changed = ArchSpec.from_dict({**spec.to_dict(), factor: after})
            steps.append(Step(factor, str(before), str(after), *_change(spec, changed)))
            spec = changed
    return Alignment(steps, _difference(spec, target, seed))


def _change(before: ArchSpec, after: ArchSpec) -> tuple[int, int]:
    counted = [cost(spec, SIZE).values for spec in (before, after)]
    params, macs = (int(counted[1][key] - counted[0][key]) for key in ("params/total", "macs/total"))
    return params, macs


def _difference(one: ArchSpec, other: ArchSpec, seed: int) -> float:
    """Return the largest difference between the supervised logits of two networks with the same weights."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        first, second = build_model(one).eval(), build_model(other).eval()
        second.load_state_dict(first.state_dict())
        image = torch.randn(1, 3, *SIZE)
        pairs = zip(first.predictions(image), second.predictions(image), strict=True)
        return max(float((a - b).abs().max()) for a, b in pairs)
