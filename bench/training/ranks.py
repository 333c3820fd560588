"""One training on several devices: a rank has a part of each batch, and computes as one device with all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from skipbench.bench.data.annotations import KEYS
from skipbench.bench.data.loading import Batch
from skipbench.bench.tasks import Task


@dataclass(frozen=True)
class Ranks:
    """The processes that train one network, numbered from 0, each on a device of its own; `own` is this one."""

    own: int = 0
    count: int = 1

    def part(self, images: int) -> slice:
        """Return which of a whole batch's images are this rank's."""
        size = images // self.count
        return slice(self.own * size, (self.own + 1) * size)

    def loss(self, task: Task, predictions: list[Tensor], batch: Batch) -> Tensor:
        """Return the task's loss of the whole batch, of which this rank has a part (each N, C, h, w).

        Every rank computes it from the predictions and targets of all, so it is that of one device whatever a task
        averages over. Gradients go to this rank's predictions, `count` times as large, as DDP averages over ranks.
        """
        if self.count == 1:
            return task.loss(predictions, batch)
        whole = {key: self.gathered(self._padded(key, value)) for key, value in batch.items()}
        return task.loss([_Whole.apply(logits, self) for logits in predictions], whole)

    def average(self, value: Tensor) -> Tensor:
        """Return the mean over ranks."""
        return value if self.count == 1 else self.all(value).mean(0)

    def agreed(self, decision: bool, device: torch.device) -> bool:
        """Return what the first rank has decided."""
        return decision if self.count == 1 else bool(self.all(torch.tensor([decision], device=device))[0])

    def gathered(self, part: Tensor) -> Tensor:
        """Return what all ranks have (n, ...) as one tensor (count * n, ...), without gradients."""
        return self.all(part).flatten(0, 1)

    def all(self, own: Tensor) -> Tensor:
        """Return one tensor of each rank, (count, ...)."""
        given = own.detach().contiguous()
        if not given.numel():
            return given.new_empty(self.count, *given.shape)
        sent = given.flatten().view(torch.uint8)  # gloo doesn't know all types
        received = [torch.empty_like(sent) for _ in range(self.count)]
        distributed.all_gather(received, sent)
        return torch.stack(received).view(given.dtype).reshape(self.count, *given.shape)

    def _padded(self, key: str, value: Tensor) -> Tensor:
        """Return a part's targets with as many columns as those of the rank that has most."""
        padding = KEYS[key].padding if key in KEYS else None
        if padding is None:
            return value
        longest = int(self.all(torch.tensor(value.shape[1], device=value.device)[None]).max())
        wider = value.new_full((value.shape[0], longest, *value.shape[2:]), padding)
        wider[:, : value.shape[1]] = value
        return wider


ALONE = Ranks()


class _Whole(torch.autograd.Function):
    """What all ranks predict; the gradient is this rank's part of it, `count` times as large."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.gathered(part)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient[ctx.ranks.part(len(gradient))] * ctx.ranks.count, None


class WholeBatches(TorchFunctionMode):
    """While it is active, BatchNorm's statistics and dropout's draws are those of the whole batch.

    All ranks draw alike and each takes its part. What a network draws in another way is drawn alike on every rank.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.batch_norm:
            return self._batch_norm(*args, **kwargs or {})
        if func in (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d):
            return self._dropout(func, *args, **kwargs or {})
        return func(*args, **kwargs or {})

    def _dropout(
        self,
        drop: Callable[..., Tensor],
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        if not training:
            return input
        factors = drop(torch.cat([torch.ones_like(input)] * self._ranks.count), p, True)
        return input * factors[self._ranks.part(len(factors))]

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        weight = input.new_ones(input.shape[1]) if weight is None else weight
        bias = input.new_zeros(input.shape[1]) if bias is None else bias
        normed, mean, variance = _BatchNorm.apply(input, weight, bias, eps, self._ranks)
        if running_mean is not None and running_var is not None:
            values = input.numel() // input.shape[1] * self._ranks.count
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * values / (values - 1)).to(running_var), momentum)
        result: Tensor = normed
        return result


class _BatchNorm(torch.autograd.Function):
    """BatchNorm of a part (n, C, ...) by the mean and variance (C,) of the whole batch, which it returns, too.

    torch's SyncBatchNorm is not for CPUs; this one is the same on all devices. It computes in float32.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float, ranks: Ranks
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.ranks, ctx.axes = ranks, [0, *range(2, input.ndim)]
        own = torch.stack(torch.var_mean(input.float(), ctx.axes, correction=0))
        variances, means = ranks.all(own).unbind(1)
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(input, weight, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        normed = (input.float() - _like(input, mean)) * _like(input, scale * weight) + _like(input, bias)
        return normed.to(input.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        input, weight, mean, scale = ctx.saved_tensors
        normed = (input.float() - _like(input, mean)) * _like(input, scale)
        gradient = gradients[0].float()
        own = torch.stack([gradient.sum(ctx.axes), (gradient * normed).sum(ctx.axes)])
        values = input.numel() // input.shape[1]
        shift, slope = ctx.ranks.all(own).mean(0) / values
        rest = gradient - _like(input, shift) - normed * _like(input, slope)
        towards = (rest * _like(input, scale * weight)).to(input.dtype)
        return towards, own[1].to(weight.dtype), own[0].to(weight.dtype), None, None


def _like(input: Tensor, values: Tensor) -> Tensor:
    """Return values of channels (C,) in a shape that goes with an input (N, C, ...)."""
    return values.float().view(1, -1, *[1] * (input.ndim - 2))
