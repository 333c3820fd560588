"""What a training keeps, so that another process can go on with it: on the CPU, with the same bits."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from skipbench.bench.errors import BenchError

VERSION = 1  # a change of what is kept, or of what a training does with it, raises it
_DIGEST = hashlib.sha256().digest_size


class StateError(BenchError):
    """A state is damaged, or is that of another training."""


@dataclass
class Progress:
    """How far a training is and what it has found; the network and what moves it aside."""

    step: int = 0  # the last that was taken, from 1
    validated: int = 0  # the last step after which the validation split was scored
    told: dict[str, float] = field(default_factory=dict)  # of the start
    loss: float = 0.0  # of the last step
    clipped: int = 0  # steps
    busy: float = 0.0  # seconds in forward, backward and optimizer
    seconds: float = 0.0
    best_scores: dict[str, float] = field(default_factory=dict)  # on validation
    best_state: dict[str, Tensor] = field(default_factory=dict)
    best_images: int = 0  # seen by then
    stale: int = 0  # validations since then
    ended: bool = False  # before its budget was spent, as the recipe's patience was


def passing(model: nn.Module, device: torch.device) -> dict[str, Any]:
    """Return copies of what changes where a network only runs: its buffers, and torch's random states."""
    random = [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
    return {"buffers": {name: buffer.clone() for name, buffer in model.named_buffers()}, "random": random}


def pack(content: Mapping[str, Any], identity: Mapping[str, Any]) -> bytes:
    """Return tensors, numbers and words in dicts and lists as bytes that say which training they belong to."""
    file = io.BytesIO()
    torch.save({**content, "identity": _whole(identity)}, file)
    written = file.getvalue()
    return hashlib.sha256(written).digest() + written


def unpack(state: bytes, identity: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """Return what `pack` was given of the same training; no code in it is run.

    Raises StateError where it is damaged, is of another training, or has other tensors than `model`.
    """
    digest, written = state[:_DIGEST], state[_DIGEST:]
    if hashlib.sha256(written).digest() != digest:
        raise StateError("it is damaged")
    try:
        content = torch.load(io.BytesIO(written), map_location="cpu", weights_only=True)
        kept = content["identity"]
    except (pickle.UnpicklingError, RuntimeError, ValueError, LookupError, TypeError, EOFError) as error:
        raise StateError("it is none of a training") from error
    differing = [name for name, value in _whole(identity).items() if kept.get(name) != value]
    if differing:
        raise StateError(f"it is of another training ({', '.join(differing)})")
    if _shapes({**content["weights"], **content["buffers"]}) != _shapes(_tensors(model)):
        raise StateError("it is of another network")
    return dict(content)


def put_back(content: Mapping[str, Any], model: nn.Module, device: torch.device) -> None:
    """Give a network the weights and buffers, and torch the random states, of a state."""
    kept = {**content["weights"], **content["buffers"]}
    with torch.no_grad():
        for name, tensor in _tensors(model).items():
            tensor.copy_(kept[name])
    torch.set_rng_state(content["random"][0])
    for random in content["random"][1:]:
        torch.cuda.set_rng_state(random, device)


def _whole(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {**identity, "version": VERSION, "torch": str(torch.__version__)}


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
