"""A fair start: before the first step, every network's logits have the scale that its task asks for."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archs.decoder import Decoder
from archs.parts import part_of
from bench.loading import Batch
from bench.tasks import Task

TURNS = 3  # the layers' own outputs are scaled first, then the predictions, which a next stack may read, twice
Convolution = nn.Conv2d | nn.ConvTranspose2d


def scale_logits(model: nn.Module, image: Tensor, task: Task) -> None:
    """Scale the weights of the layers that make logits, until these are as far from chance as the task says.

    Data-dependent as in LSUV (arXiv 1511.06422): measured on `image` (N, C, H, W) with norms as in training, and
    of the last layers alone; all others stay as they were drawn. The distance is the root mean square of a
    supervised prediction minus `task.neutral`, over all predictions that a layer makes. Layers whose outputs are
    summed share it equally. Biases, statistics of norms and torch's random state are left as they are.
    """
    with _undisturbed(model):
        for turn in range(TURNS):
            calls = _Calls(model)
            with calls.recorded():
                predictions = [logits.float() for logits in model.predictions(image)]  # type: ignore[operator]
            squares: dict[nn.Module, list[float]] = defaultdict(list)  # of deviations, in units of the wanted ones
            for logits in predictions:
                wanted = task.logit_std(logits)
                deviation = (logits - task.neutral(logits)).square().mean().item() / wanted**2
                for layer, own in calls.before(logits):
                    squares[layer].append(deviation if turn else own / wanted**2)
            for layer, found in squares.items():
                if mean := sum(found) / len(found):
                    layer.weight.data /= math.sqrt(mean)


def look(model: nn.Module, batch: Batch, task: Task) -> dict[str, float]:
    """Return what the first step will find in a prepared batch; the model is left as it was.

    "loss" and "loss_over_chance", "gradient_norm", and of a network with a decoder "signal_rms" (of its finest map,
    the last stage's) and "decoder_gradient_norm" (of all that is neither encoder nor head).
    """
    signals: list[Tensor] = []
    hooks = [
        decoder.register_forward_hook(lambda layer, inputs, maps: signals.append(maps[0].detach()))
        for decoder in model.modules()
        if isinstance(decoder, Decoder)
    ]
    with _undisturbed(model):
        predictions = [logits.float() for logits in model.predictions(batch["image"])]  # type: ignore[operator]
        loss = task.loss(predictions, batch)
        loss.backward()
    for hook in hooks:
        hook.remove()
    chance = task.loss([task.neutral(logits) for logits in predictions], batch).item()
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    inner = [norm for name, norm in norms.items() if part_of(name) not in ("encoder", "head")]
    values = {"loss": loss.item(), "loss_over_chance": loss.item() / chance, "gradient_norm": math.hypot(*norms.values())}
    if signals:
        values["signal_rms"] = signals[-1].float().square().mean().sqrt().item()
        values["decoder_gradient_norm"] = math.hypot(*inner)
    return values


class _Calls:
    """Which layer made which output in one forward pass, told by the outputs' places in autograd's graph."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.made: dict[object, tuple[nn.Module, float]] = {}

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record every call of a convolution, and how large its output is without the bias, squared."""
        layers = [layer for layer in self.model.modules() if isinstance(layer, Convolution)]
        hooks = [layer.register_forward_hook(self._record) for layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _record(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        bias = 0.0 if layer.bias is None else layer.bias[:, None, None]
        self.made[output.grad_fn] = layer, (output - bias).detach().float().square().mean().item()

    def before(self, logits: Tensor) -> list[tuple[nn.Module, float]]:
        """Return the calls from which `logits` come with no other call in between."""
        waiting, seen, found = [logits.grad_fn], set(), []
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in self.made:
                found.append(self.made[node])
            else:
                waiting += [following for following, _ in node.next_functions]
        return found


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Put the model in training mode; afterwards mode, buffers and torch's random state are what they were."""
    training, buffers = model.training, [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield model.train()
    model.train(training)
    for buffer, before in buffers:
        buffer.copy_(before)
