"""A fair start: before the first step, every network's logits have the scale that its task asks for."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skipbench.archs.decoder import Decoder
from skipbench.archs.model import parts_of
from skipbench.bench.data.loading import Batch
from skipbench.bench.tasks import Task
from skipbench.bench.training.ranks import ALONE, Ranks

TURNS = 3  # the layers' own outputs are scaled first, then the predictions, which a next stack may read, twice
NOTHING = 1e-8  # of the wanted variance: what reads nothing (GroupNorm of a single pixel) is left as it is
Convolution = nn.Conv2d | nn.ConvTranspose2d
Predict = Callable[[Tensor], list[Tensor]]  # images -> every supervised prediction (N, C, h, w), float32
Call = tuple[Convolution, Tensor]  # a layer and what it gave


def scale_logits(model: nn.Module, predict: Predict, image: Tensor, task: Task, ranks: Ranks = ALONE) -> None:
    """Scale and centre the layers that make logits, until these are as far from chance as the task says.

    Data-dependent initialisation as in arXiv 1511.06422 and 1511.06856, of the last layers alone: measured on what
    the model predicts for `image` (N, C, H, W) with norms as in training. Each channel's mean becomes what its
    bias was drawn as. The distance is the root mean square of a supervised prediction minus `task.neutral`, taken
    over all predictions that a layer makes; layers whose outputs are summed have equal shares in it. Statistics
    of norms and torch's random state stay as they are. Where several `ranks` have a part of a batch each, all is
    measured over the whole batch.
    """
    drawn: dict[Convolution, Tensor] = {}
    with _undisturbed(model):
        for turn in range(TURNS):
            for layer, seen in _last_layers(model, predict, image, task, ranks).items():
                square = seen.distance if turn else seen.variance
                gain = 1 / math.sqrt(square) if square > NOTHING else 1.0
                layer.weight.data *= gain
                if layer.bias is not None:
                    start = drawn.setdefault(layer, layer.bias.detach().clone())
                    layer.bias.data = start - seen.mean * gain


@dataclass
class _Seen:
    """A last layer's outputs (N, C, h, w) without bias, and its predictions' squared distances from neutral.

    Both are in units of the wanted distance: `variance` and `distance` are 1 where nothing is to be done.
    """

    ranks: Ranks
    outputs: list[Tensor] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    wanted: float = 1.0

    @property
    def mean(self) -> Tensor:
        """The mean of each channel over all calls."""
        return self.ranks.average(torch.stack([output.mean((0, 2, 3)) for output in self.outputs]).mean(0))

    @property
    def variance(self) -> float:
        mean = self.mean[:, None, None]
        squares = [(output - mean).square().mean() for output in self.outputs]
        return self.ranks.average(torch.stack(squares).mean()).item() / self.wanted**2

    @property
    def distance(self) -> float:
        return sum(self.distances) / len(self.distances)


def _last_layers(
    model: nn.Module, predict: Predict, image: Tensor, task: Task, ranks: Ranks
) -> dict[Convolution, _Seen]:
    """Run the model once; return its convolutions from which a prediction comes with no other one in between."""
    calls: dict[object, Call] = {}  # by the place of a call's output in autograd's graph
    with _hooked(model, Convolution, lambda layer, output: calls.update({output.grad_fn: (layer, output)})):
        predictions = predict(image)
    layers: dict[Convolution, _Seen] = defaultdict(partial(_Seen, ranks))
    for logits in predictions:
        wanted = task.logit_std(logits)
        distance = ranks.average((logits - task.neutral(logits)).square().mean()).item() / wanted**2
        for layer, output in _nearest(logits, calls):
            bias = 0.0 if layer.bias is None else layer.bias.detach()[:, None, None]
            layers[layer].outputs.append(output.detach().float() - bias)
            layers[layer].distances.append(distance)
            layers[layer].wanted = wanted
    return layers


def _nearest(logits: Tensor, calls: dict[object, Call]) -> list[Call]:
    """Return the calls that lie next to `logits` on the ways back through autograd's graph."""
    waiting, passed, nearest = [logits.grad_fn], set(), []
    while waiting:
        node = waiting.pop()
        if node is None or node in passed:
            continue
        passed.add(node)
        if node in calls:
            nearest.append(calls[node])
        else:
            waiting += [previous for previous, _ in node.next_functions]
    return nearest


def look(model: nn.Module, predict: Predict, batch: Batch, task: Task, ranks: Ranks = ALONE) -> dict[str, float]:
    """Return the loss and gradients of a first step on a prepared batch; the model is left as it was.

    "loss", "loss_over_chance", "gradient_norm" and "outputs", the number of supervised predictions; of a network
    with decoders also "signal_rms", of the last one's finest map, and "decoder_gradient_norm", of all parameters
    that are neither encoder nor head.
    """
    signals: list[Tensor] = []
    with _undisturbed(model):
        with _hooked(model, Decoder, lambda decoder, maps: signals.append(maps[0].detach())):
            predictions = predict(batch["image"])
        loss = ranks.loss(task, predictions, batch)
        loss.backward()  # type: ignore[no-untyped-call]
    chance = ranks.loss(task, [task.neutral(logits) for logits in predictions], batch).item()
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad = ranks.average(parameter.grad)
    parts = parts_of(model)
    norms = {module: _gradient_norm(module) for module in model.modules()}
    model.zero_grad()
    values = {
        "loss": loss.item(),
        "gradient_norm": math.hypot(*norms.values()),
        "outputs": float(len(predictions)),
    }
    if chance:  # an image without joints has an empty heatmap, which costs nothing
        values["loss_over_chance"] = loss.item() / chance
    if signals:
        inner = [norm for module, norm in norms.items() if parts.get(module) not in ("encoder", "head")]
        values["signal_rms"] = ranks.average(signals[-1].float().square().mean()).sqrt().item()
        values["decoder_gradient_norm"] = math.hypot(*inner)
    return values


def _gradient_norm(module: nn.Module) -> float:
    """Return the norm of the gradients of a module's own parameters."""
    return math.hypot(*(p.grad.norm().item() for p in module.parameters(recurse=False) if p.grad is not None))


@contextmanager
def _hooked(model: nn.Module, kind: Any, take: Callable[[Any, Any], None]) -> Iterator[None]:
    """Give `take` every module of a kind with its output, call by call."""
    modules = [module for module in model.modules() if isinstance(module, kind)]
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: take(module, output)) for module in modules
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Put the model in training mode; afterwards mode, buffers and torch's random state are what they were."""
    training, buffers = model.training, [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        model.train()
        yield
    model.train(training)
    for buffer, before in buffers:
        buffer.copy_(before)
