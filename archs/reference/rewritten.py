"""Weights that torch stores as what they are computed from: pruned ones, those under weight or spectral norm."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from skipbench.archs.errors import CheckpointError

LORA = (".lora_", "lora_A", "lora_B")
SPECTRAL = ("_u", ".0._u")  # ends of the names of a spectral norm's vectors
STORED = ".parametrizations."


def plain_weights(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a checkpoint's tensors with each weight as its layer uses it, by its plain name.

    That is the product with its mask for a pruned one (torch.nn.utils.prune), and its direction at its length for
    one under weight norm (arXiv 1602.07868), old or new. Raises CheckpointError for low-rank updates (LoRA), whose
    scale no tensor tells, and for spectral norm, whose axis none tells.
    """
    if adapter := next((name for name in tensors if any(word in name for word in LORA)), None):
        raise CheckpointError(
            f"it holds low-rank updates (LoRA) beside the weights that they change ('{adapter}'): merge them where "
            "it was made, as with model.merge_and_unload(), and save the state dict again."
        )
    used, plain = set[str](), dict[str, Any]()
    for name, parts, value in _rewritten(tensors):
        used.update(parts)
        plain[parts[0]] = name, value
    made = (plain.get(name, (name, x)) for name, x in tensors.items() if name in plain or name not in used)
    return dict(made) if used else tensors


def _rewritten(tensors: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Tensor]]:
    """Yield a weight's plain name, the names of what it is computed from, and the weight."""
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            continue
        for ends, compute in REWRITTEN.items():
            base = name.removesuffix(ends[0])
            other = tensors.get(base + ends[1])
            if base != name and isinstance(other, Tensor) and other.ndim in (0, value.ndim):
                yield base.replace(STORED, "."), (name, base + ends[1]), compute(value, other)
        stem = name.removesuffix("_orig").removesuffix(".original")
        if stem != name and any(stem + end in tensors for end in SPECTRAL):
            raise CheckpointError(
                f"'{stem.replace(STORED, '.')}' is under spectral norm: take that off where it was made, with "
                "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') for each layer, and save the "
                "state dict again."
            )


def _at_length(direction: Tensor, length: Tensor) -> Tensor:
    others = [axis for axis, size in enumerate(length.shape) if size == 1] or None  # None: of the whole weight
    now: Tensor = torch.linalg.vector_norm(direction, dim=others, keepdim=others is not None)
    return direction * (length / now)


# The ends of the two names that stand for a weight, and what it is computed by.
REWRITTEN: dict[tuple[str, str], Callable[[Tensor, Tensor], Tensor]] = {
    ("_orig", "_mask"): torch.mul,
    ("_v", "_g"): _at_length,  # before torch 2
    (".original1", ".original0"): _at_length,
}
