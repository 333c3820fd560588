"""Which optimizer takes the steps, on which parameters, and how its learning rates go."""

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
)

from skipbench.archs import EncoderDecoder
from skipbench.bench.training.evaluation import TrainingError
from skipbench.bench.training.recipe import Recipe

RISE_FROM = 1 / 25  # of the highest rate, where a schedule warms up; OneCycleLR has the same
POWER = 0.9  # of the polynomial, as in DeepLab (arXiv 1606.00915, section 4.1)


def optimizer_of(model: nn.Module, recipe: Recipe) -> Optimizer:
    """Return the recipe's optimizer of a network's parameters; the first group has `recipe.lr`.

    RMSprop is as Hourglass's authors took it: decay .99, no momentum. Only AdamW decays weights apart from their
    gradients. Raises TrainingError where the encoder is to have a rate of its own and the network has none.
    """
    groups = _groups(model, recipe)
    if recipe.optimizer == "sgd":
        return SGD(groups, recipe.lr, momentum=recipe.momentum, fused=True)
    if recipe.optimizer == "rmsprop":
        return RMSprop(groups, recipe.lr)
    return AdamW(groups, recipe.lr, fused=True)


def _groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    if recipe.encoder_lr is None:
        return _by_decay(model.parameters(), recipe)
    if not isinstance(model, EncoderDecoder):
        raise TrainingError("recipe.encoder_lr is of a network with an encoder, and this one has none.")
    of_encoder = set(model.encoder.parameters())
    others = [parameter for parameter in model.parameters() if parameter not in of_encoder]
    slow = _by_decay(model.encoder.parameters(), recipe)
    return [*_by_decay(others, recipe), *(group | {"lr": recipe.encoder_lr} for group in slow)]


def _by_decay(parameters: Iterable[nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    """Return two groups: weights, and norms and biases, which are one number per channel."""
    every = list(parameters)
    weights = [parameter for parameter in every if parameter.ndim > 1]
    others = [parameter for parameter in every if parameter.ndim <= 1]
    decay = recipe.weight_decay
    return [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": decay if recipe.decay_all else 0.0},
    ]


def schedule_of(optimizer: Optimizer, recipe: Recipe) -> LRScheduler:
    """Return the recipe's schedule: each group's rate is the highest that it comes to."""
    if recipe.schedule == "one_cycle":
        highest = [group["lr"] for group in optimizer.param_groups]
        by_momentum = recipe.optimizer == "adamw"  # the momentum of others is what the recipe says
        alone = recipe.warmup * recipe.steps == 1  # the only step of the rise, which torch divides by the length of
        warmup = recipe.warmup * (1 - 1e-6) if alone else recipe.warmup
        return OneCycleLR(
            optimizer, highest, total_steps=recipe.steps, pct_start=warmup, cycle_momentum=by_momentum
        )
    rising = min(round(recipe.warmup * recipe.steps), recipe.steps - 1)  # the last step is left to fall in
    if not rising:
        return _falling(optimizer, recipe, recipe.steps)
    rise = LinearLR(optimizer, RISE_FROM, total_iters=rising)
    return SequentialLR(optimizer, [rise, _falling(optimizer, recipe, recipe.steps - rising)], [rising])


def _falling(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    return PolynomialLR(optimizer, steps, POWER)
