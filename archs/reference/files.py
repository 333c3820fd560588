"""Reading a checkpoint: tensors by name, and never code that a file brings along."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from skipbench.archs.errors import CheckpointError
from skipbench.display import first_line

WRAPPERS = ("state_dict", "model_state_dict", "model")  # under which training scripts file the weights
PREFIXES = ("module.", "model.", "_orig_mod.")  # of DataParallel, of trainers, of torch.compile


def read_state(source: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Return the tensors of a state dict or of a checkpoint file by name, as the implementation named them.

    A file that ends in .safetensors is read as such, any other by `torch.load(weights_only=True)`, which
    runs no code of the file. Where the weights are filed under "state_dict", "model_state_dict" or "model",
    that is taken; a first "module.", "model." or "_orig_mod." that all names share is dropped, repeatedly.

    Raises CheckpointError where the file cannot be read, holds more than plain values, or holds no tensors.
    """
    state = source if isinstance(source, Mapping) else _read(Path(source))
    for key in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not _is_state(state):
        raise CheckpointError(
            "it holds no tensors by name: expected a state dict, or one filed under "
            f"{', '.join(map(repr, WRAPPERS))}; save one with torch.save(model.state_dict(), FILE)."
        )
    return _without_prefixes(dict(state))


def _is_state(state: Any) -> bool:
    named = isinstance(state, Mapping) and all(isinstance(name, str) for name in state)
    return named and any(isinstance(value, Tensor) for value in state.values())


def _read(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"there is no such file: {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} holds more than tensors and plain values, or is no checkpoint, and unpacking it could "
            "run any code, so it is refused: save its state dict alone, where you trust the file."
        ) from error
    except Exception as error:  # torch raises whatever a torn file leads it to
        raise CheckpointError(
            f"{path.name} cannot be read as a checkpoint ({type(error).__name__}: {first_line(error)}): "
            "expected a whole file of torch.save, or one of safetensors whose name ends so."
        ) from error


def _without_prefixes(state: dict[str, Any]) -> dict[str, Any]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefixes({name.removeprefix(prefix): value for name, value in state.items()})
    return state
