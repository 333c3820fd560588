"""Loading a public implementation's weights: everything is checked before anything changes.

Of a checkpoint file the tensors are read by name, and never code that it brings along.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from skipbench.archs.encoders import ENCODERS
from skipbench.archs.errors import CheckpointError
from skipbench.archs.factory import resolve_spec
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.reference.layout import LAYOUTS, Layout
from skipbench.archs.spec import FACTORS, ArchSpec
from skipbench.display import first_line

WRAPPERS = ("state_dict", "model_state_dict", "model")  # under which training scripts store the weights
PREFIXES = ("module.", "model.", "_orig_mod.")  # of DataParallel, of trainers, of torch.compile
COUNTER = ".num_batches_tracked"  # of BatchNorm: it does not affect the outputs, and old or frozen networks lack it


def load_reference(model: EncoderDecoder, source: Mapping[str, Any] | str | Path, *, layout: str) -> list[str]:
    """Load the weights of a public implementation into `model`, whose outputs are then the implementation's.

    `source` is a state dict, or a checkpoint file (`archs.reference.read_state` says what is unwrapped);
    `layout` says whose it is (`archs.list_layouts()`). Every tensor of the source is used, or is one that the
    layout names as deliberately unused; those are returned, by name. Every tensor of the model is filled, but
    for those that the implementation has no counterpart of (as a backbone has no head). BatchNorm's counters
    may be absent on either side.

    Raises CheckpointError, which names the first wrong tensor and the mend and leaves the model as it was;
    UnknownNameError for an unknown layout.
    """
    chosen = LAYOUTS[layout]
    try:
        _require_preset(model.spec, chosen)
        state = read_state(source)
        values, unused = _arrange(state, chosen, model.state_dict())
    except CheckpointError as error:
        raise CheckpointError(f"cannot load this as '{layout}': {error}") from error
    model.load_state_dict(values, strict=False)
    return unused


def read_state(source: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Return the tensors of a state dict or of a checkpoint file by name, as the implementation named them.

    A file that ends in .safetensors is read as such, any other by `torch.load(weights_only=True)`, which
    runs no code of the file. Where the weights are stored under "state_dict", "model_state_dict" or "model",
    that is taken; a first "module.", "model." or "_orig_mod." that all names share is dropped, repeatedly.

    Raises CheckpointError where the file cannot be read, holds more than plain values, or holds no tensors.
    """
    state = source if isinstance(source, Mapping) else _read(Path(source))
    for key in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    named = isinstance(state, Mapping) and all(isinstance(name, str) for name in state)
    if not (named and any(isinstance(value, Tensor) for value in state.values())):
        raise CheckpointError(
            "it contains no named tensors: expected a state dict, or one stored under "
            f"{', '.join(map(repr, WRAPPERS))}; save one with torch.save(model.state_dict(), FILE)."
        )
    return _without_prefixes(dict(state))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"there is no such file: {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} is not a checkpoint, or contains more than tensors and plain values; unpickling it could "
            "run any code, so it is refused: if you trust the file, save its state dict alone."
        ) from error
    except Exception as error:  # torch raises whatever a torn file leads it to
        raise CheckpointError(
            f"{path.name} cannot be read as a checkpoint ({type(error).__name__}: {first_line(error)}): "
            "expected a complete file written by torch.save, or a .safetensors file."
        ) from error


def _without_prefixes(state: dict[str, Any]) -> dict[str, Any]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefixes({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def _require_preset(spec: ArchSpec, layout: Layout) -> None:
    """Raise CheckpointError where the weights would fit the model, and its outputs still be others."""
    differing = {name: _differing(spec, resolve_spec(name)) for name in layout.presets}
    nearest = min(differing, key=lambda name: len(differing[name]))
    if differing[nearest]:
        have, want = (_value(chosen, differing[nearest][0]) for chosen in (spec, resolve_spec(nearest)))
        raise CheckpointError(
            f"its outputs need {differing[nearest][0]}={want!r} but the model has {have!r}: "
            f"build the model from the preset {' or '.join(layout.presets)}."
        )


def _differing(spec: ArchSpec, preset: ArchSpec) -> list[str]:
    silent = [factor.name for factor in FACTORS.values() if factor.silent]
    silent += ENCODERS[preset.encoder].silent_args
    return [name for name in silent if _value(spec, name) != _value(preset, name)]


def _value(spec: ArchSpec, factor: str) -> Any:
    return getattr(spec, factor, spec.encoder_args.get(factor))


def _arrange(
    state: Mapping[str, Any], layout: Layout, expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors by the model's names, and the names of those that are not used."""
    origins: dict[str, str] = {}
    values: dict[str, Tensor] = {}
    for name, tensor in state.items():
        target = layout.target(name)
        if target is None or (target.endswith(COUNTER) and target not in expected):
            continue
        if target in origins:
            raise CheckpointError(f"its tensors '{origins[target]}' and '{name}' are the same weight: keep one.")
        origins[target] = name
        values[target] = layout.change(name, _fitting(name, tensor, target, expected))
    left = not any(map(layout.leaves, values))  # what may stay as it is stays so entirely, or is filled entirely
    missing = [
        target
        for target in expected
        if target not in values and not target.endswith(COUNTER) and not (left and layout.leaves(target))
    ]
    if missing:
        raise CheckpointError(
            f"{len(missing)} of the model's tensors are not in it, first '{missing[0]}': take a complete "
            f"checkpoint, or build the variant that it is from ({' or '.join(layout.presets)}, with its factors)."
        )
    used = set(origins.values())
    return values, [name for name in state if name not in used]


def _fitting(name: str, tensor: Any, target: str, expected: Mapping[str, Tensor]) -> Tensor:
    """Return the tensor. Raises CheckpointError where the model has no place for it, or one of another shape."""
    if target not in expected:
        raise CheckpointError(
            f"its tensor '{name}' would be the model's '{target}', which the model lacks: "
            "build the variant that the checkpoint is from (its preset, encoder, stacks ...)."
        )
    if not isinstance(tensor, Tensor):
        raise CheckpointError(f"its entry '{name}' is a {type(tensor).__name__} where a tensor was expected.")
    have, want = tuple(tensor.shape), tuple(expected[target].shape)
    if have != want:
        raise CheckpointError(
            f"its tensor '{name}' is {have} but the model's '{target}' is {want}: build the model with "
            "the checkpoint's preset, classes, in_channels, encoder and widths."
        )
    if tensor.is_complex() or tensor.is_floating_point() != expected[target].is_floating_point():
        kind = "floating-point" if expected[target].is_floating_point() else "whole"
        raise CheckpointError(f"its tensor '{name}' has dtype {tensor.dtype} where {kind} numbers were expected.")
    if not tensor.is_meta and not tensor.isfinite().all():
        raise CheckpointError(f"its tensor '{name}' contains values that are not finite: use another checkpoint.")
    return tensor
