"""An exponential moving average of the weights, which is scored and kept in place of the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Return what averages the weights of `model` each time that it is updated with them.

    After n steps they decay by (1 + n) / (10 + n) where that is less: the first ones are soon forgotten.
    """

    def take(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        cast(Any, get_ema_multi_avg_fn)(now)(averages, weights, count)  # untyped in torch

    return AveragedModel(model, multi_avg_fn=take)


@contextmanager
def averaged(model: nn.Module, average: AveragedModel | None) -> Iterator[None]:
    """Let `model` have its averaged weights while the block runs; None leaves it as it is."""
    if average is None:
        yield
        return
    own = [parameter.detach().clone() for parameter in model.parameters()]
    _copy(average.module.parameters(), model)
    try:
        yield
    finally:
        _copy(iter(own), model)


@torch.no_grad()
def _copy(values: Iterator[Tensor], model: nn.Module) -> None:
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.copy_(value)
