"""Whether two specs are one network, whatever its tensors are called: the same operators on the same tensors."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from skipbench.archs.factory import build_model
from skipbench.archs.ledger.live import execute
from skipbench.archs.spec import ArchSpec

IMAGE = (72, 104)  # px; no multiple of the usual strides, so that rounding shows
UNPADDED = (204, 204)  # the same for unpadded networks, which need more


def same_network(one: ArchSpec, other: ArchSpec) -> bool:
    """Return whether two specs build networks that compute the same and begin alike.

    Compared is what runs for an image, in training and at inference: the operators, their constants, and which
    tensors they take, each known by when it is first used. The weights are the same where one seed draws the
    same values. False also where it cannot be told, as of an encoder that does not run without values.
    """
    if one == other:
        return True
    if (one.pretrained, one.encoder_weights) != (other.pretrained, other.encoder_weights):
        return False
    try:
        programs = [_program(spec.fresh) for spec in (one, other)]
    except Exception:  # whatever a network does with values that are not there
        return False
    first, second = programs
    return first == second and all(
        torch.equal(x, y) for x, y in zip(first.weights(), second.weights(), strict=True)
    )


@dataclass
class _Program:
    """What a network runs; two are equal where all of it but the tensors' names is."""

    spec: ArchSpec = field(compare=False)
    lines: list[str]
    results: str
    shapes: list[tuple[int, ...]]  # of all parameters, also of those that nothing uses
    used: list[str] = field(compare=False)  # parameters and buffers in the order of their first use

    def weights(self) -> Iterator[Tensor]:
        """Yield what is used, as drawn with one seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            state = build_model(self.spec).state_dict(keep_vars=True)
        yield from (state[name] for name in self.used)


class _Recorder(TorchDispatchMode):
    """Writes down every operator that runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lines: list[str] = []
        self.numbers: dict[int, int] = {}
        self.tensors: list[Tensor] = []  # kept, so that no other gets their ids

    def number(self, x: Any) -> Any:
        """Return a tensor's name, by when it was first seen; anything else as text."""
        if not isinstance(x, Tensor):
            return repr(x)
        if id(x) not in self.numbers:
            self.numbers[id(x)] = len(self.tensors)
            self.tensors.append(x)
        return f"%{self.numbers[id(x)]} {tuple(x.shape)} {x.dtype} {x.requires_grad}"

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator."""
        given = tree_map(self.number, (args, kwargs or {}))
        out = execute(func, args, kwargs or {})
        self.lines.append(f"{func} {given} -> {tree_map(self.number, out)}")
        return out


def _program(spec: ArchSpec) -> _Program:
    with torch.device("meta"):
        model = build_model(spec)
        image = torch.empty(2, spec.in_channels, *(UNPADDED if spec.padding == "valid" else IMAGE))
    recorder, results = _Recorder(), []
    for training in (True, False):
        model.train(training)
        with torch.no_grad(), recorder:
            results += [model.predictions(image), model(image)]
    names = {id(x): name for name, x in model.state_dict(keep_vars=True).items()}
    return _Program(
        spec=spec,
        lines=recorder.lines,
        results=str([recorder.number(x) for x in tree_leaves(results)]),
        shapes=sorted(tuple(parameter.shape) for parameter in model.parameters()),
        used=[names[id(x)] for x in recorder.tensors if id(x) in names],
    )
