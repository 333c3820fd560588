"""Loading a public implementation's weights: everything is checked before anything changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skipbench.archs.encoders import ENCODERS
from skipbench.archs.errors import CheckpointError
from skipbench.archs.factory import resolve_spec
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.reference.layout import BESIDE, LAYOUTS, Layout, State, match
from skipbench.archs.reference.read import Weights, read_weights
from skipbench.archs.spec import FACTORS, ArchSpec
from skipbench.display import quoted

MOST = 0.9  # of the names, which are then as another layout's
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?)([._]|$)")  # of a network beside its own average
SAMPLE = 50  # names, evenly spread, whose beginnings are tried
COUNTER = ".num_batches_tracked"  # of BatchNorm: it does not affect the outputs, and old or frozen networks lack it


def load_reference(
    model: EncoderDecoder, source: State | str | Path, *, layout: str, under: str | None = None
) -> list[str]:
    """Load the weights of a public implementation into `model`, whose outputs are then the implementation's.

    `source` is a state dict, a checkpoint file, or a folder of `save_pretrained`; `layout` says whose it is
    (`archs.list_layouts()`). A first part that all names of the network share ("model.", "module.") is dropped,
    whatever it is; `under` names it, or the key in the file, where there are several networks.

    Every tensor of the network is used, or is one that the layout names as deliberately unused; those, and all that
    stands beside the network (a loss's weights, other averages of it), are returned, by name. Every tensor of the
    model is filled, but for those that the implementation has no counterpart of (as a backbone has no head).
    BatchNorm's counters may be absent on either side.

    Raises CheckpointError, which names the first wrong tensor and the mend and leaves the model as it was;
    UnknownNameError for an unknown layout.
    """
    try:
        found = recognise(source, layout, under)
    except CheckpointError:
        _require_preset(model.spec, LAYOUTS[layout], layout)  # which is the wider mistake
        raise
    found.fill(model)
    return found.unused(model)


@dataclass(frozen=True)
class Recognised:
    """The tensors of a network in a checkpoint, by the implementation's names, and the layout of its variant.

    `prefix` stood before their names.
    """

    name: str
    layout: Layout
    weights: Weights
    prefix: str
    state: dict[str, Any]

    def fill(self, model: EncoderDecoder) -> None:
        """Load the tensors into the model. Raises CheckpointError, and then has changed nothing."""
        _require_preset(model.spec, self.layout, self.name)
        try:
            values, _ = self._arranged(model)
        except CheckpointError as error:
            raise CheckpointError(
                f"cannot load this as '{self.name}': {self._hinted(error, model.spec)}"
            ) from error
        model.load_state_dict(values, strict=False)

    def unused(self, model: EncoderDecoder) -> list[str]:
        """Return the names of all tensors of the checkpoint that the model does not take, as the file has them."""
        _, used = self._arranged(model)
        whole = {f"{self.prefix}{name}" for name in used}
        left = [name for name in self.weights.tensors if name not in whole]
        return [*left, *(f"{other}.*" for other in self.weights.others)]

    def _arranged(self, model: EncoderDecoder) -> tuple[dict[str, Tensor], set[str]]:
        return _arrange(self.state, self.prefix, self.layout, model.state_dict())

    def _hinted(self, error: CheckpointError, spec: ArchSpec) -> str:
        """Return the error's text, with what the tensors tell that the model differs in."""
        have = spec.to_dict()
        differing = [
            f"{name}={quoted(value)}"
            for name, value in self.layout.told.items()
            if plain(have[name]) != plain(value)
        ]
        if not differing:
            return str(error)
        return f"{str(error).removesuffix('.')} (its tensors tell {', '.join(differing)})."


def recognise(source: State | str | Path, layout: str, under: str | None = None) -> Recognised:
    """Return the network in a checkpoint. Raises CheckpointError where there is none, or are several."""
    chosen = LAYOUTS[layout]
    try:
        weights = read_weights(source, under)
        prefix = _prefix(weights, chosen, under)
        inside = {
            name.removeprefix(prefix): tensor for name, tensor in weights.tensors.items() if name.startswith(prefix)
        }
        state = {name: tensor for name, tensor in inside.items() if chosen.knows(name) or not _is_beside(name)}
        return Recognised(layout, chosen.of(state), weights, prefix, state)
    except CheckpointError as error:
        raise CheckpointError(f"cannot load this as '{layout}': {error}") from error


def _is_beside(name: str) -> bool:
    return any(match(pattern, name) is not None for pattern in BESIDE)


def _prefix(weights: Weights, layout: Layout, under: str | None) -> str:
    """Return what stands before the names of the network: what makes the most of them known.

    Raises CheckpointError where there are two networks, none of this layout, or nothing under the name given.
    """
    base = "" if under in (None, weights.key) else f"{str(under).rstrip('.')}."
    names = [name.removeprefix(base) for name in weights.tensors if name.startswith(base)]
    if not names:
        first = next(iter(weights.tensors))
        raise CheckpointError(f"it has nothing under '{under}': the first of its tensors is '{first}'.")
    known = _known(names, layout)
    best = max(known.values())
    like = _like({name.removeprefix(base): x for name, x in weights.tensors.items()}, best)
    if like or not best:
        named = f"{best} of its {len(names)} tensors are" if best else f"none of its {len(names)} tensors is"
        odd = next((name for name in names if not layout.knows(name)), names[0])
        mend = f"; they are as in {' or '.join(map(repr, like))}" if like else ""
        raise CheckpointError(f"{named} named so, the first{' other' if best else ''} '{odd}'{mend}.")
    likely = _apart(known)
    chosen = [prefix for prefix in likely if not AVERAGED.search(prefix)] or likely
    if len(chosen) > 1:
        raise CheckpointError(
            f"it has several networks, under {' and '.join(repr(prefix[:-1]) for prefix in chosen)}: say which, "
            "with under='NAME' (--under NAME)."
        )
    return base + chosen[0]


def _like(state: State, best: int) -> list[str]:
    """Return the layouts that know more of the names than `best`, and almost all, of networks that can be read."""
    if best > MOST * len(state):
        return []
    like = []
    for other in LAYOUTS.names():
        known = _known(list(state), LAYOUTS[other])
        prefix = max(known, key=lambda prefix: known[prefix])
        inside = {name.removeprefix(prefix): x for name, x in state.items()}
        if known[prefix] > max(best, MOST * len(state)) and _is_read(LAYOUTS[other], inside):
            like.append(other)
    return like


def _is_read(layout: Layout, state: State) -> bool:
    try:
        return bool(layout.of(state))
    except CheckpointError:
        return False


def _apart(known: Mapping[str, int]) -> list[str]:
    """Return the beginnings of the networks in a checkpoint: what makes the most names known, and what at least
    half as many, where neither begins with the other."""
    most = max(known.values())
    likely: list[str] = []
    for prefix in sorted(known, key=lambda prefix: (-known[prefix], len(prefix), prefix)):
        nested = any(prefix.startswith(other) or other.startswith(prefix) for other in likely)
        if 2 * known[prefix] > most and not nested:
            likely.append(prefix)
    return likely


def _known(names: list[str], layout: Layout) -> dict[str, int]:
    """Return how many names the layout knows without each of the beginnings that they may have."""
    beginnings = {prefix for name in names[:: len(names) // SAMPLE + 1] for prefix in prefixes(name)}
    return {
        prefix: sum(name.startswith(prefix) and layout.knows(name.removeprefix(prefix)) for name in names)
        for prefix in beginnings
    }


def prefixes(name: str) -> list[str]:
    """Return what may stand before a tensor's own name: of "a.b.weight" nothing, "a." and "a.b."."""
    parts = name.split(".")
    return ["".join(f"{part}." for part in parts[:depth]) for depth in range(len(parts))]


def plain(value: Any) -> Any:
    """Return a factor's value with lists for tuples, as two that are equal are then."""
    if isinstance(value, Mapping):
        return {name: plain(x) for name, x in value.items()}
    return [plain(x) for x in value] if isinstance(value, tuple | list) else value


def _require_preset(spec: ArchSpec, layout: Layout, name: str) -> None:
    """Raise CheckpointError where the weights would fit the model, and its outputs still be others."""
    wanted = {preset: resolve_spec(preset, **layout.told) for preset in layout.presets}
    differing = {preset: _differing(spec, other, layout.open) for preset, other in wanted.items()}
    nearest = min(differing, key=lambda preset: len(differing[preset]))
    if differing[nearest]:
        have, want = (_value(chosen, differing[nearest][0]) for chosen in (spec, wanted[nearest]))
        raise CheckpointError(
            f"cannot load this as '{name}': its outputs need {differing[nearest][0]}={want!r} but the model has "
            f"{have!r}: build the model from the preset {' or '.join(layout.presets)}."
        )


def _differing(spec: ArchSpec, preset: ArchSpec, open: tuple[str, ...]) -> list[str]:
    silent = [factor.name for factor in FACTORS.values() if factor.silent]
    silent += ENCODERS[preset.encoder].silent_args
    return [
        name for name in silent if name not in open and plain(_value(spec, name)) != plain(_value(preset, name))
    ]


def _value(spec: ArchSpec, factor: str) -> Any:
    return getattr(spec, factor, spec.encoder_args.get(factor))


def _arrange(
    state: State, prefix: str, layout: Layout, expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], set[str]]:
    """Return the tensors by the model's names, and the names of those that are used, the second ones included."""
    origins: dict[str, str] = {}
    values: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, tensor in state.items():
        first = layout.first_name(name)
        if first != name and first in state:
            _require_equal(prefix, first, name, state)
            used |= {name} if layout.target(first) else set()
            continue
        target = layout.target(first)
        if target is None or (target.endswith(COUNTER) and target not in expected):
            continue
        if target in origins:
            raise CheckpointError(f"its tensors '{origins[target]}' and '{name}' are the same weight: keep one.")
        origins[target] = name
        used.add(name)
        values[target] = layout.change(first, _fitting(f"{prefix}{name}", tensor, target, expected))
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
    return values, used


def _require_equal(prefix: str, first: str, second: str, state: State) -> None:
    """Raise CheckpointError where a weight that is filed twice has two values."""
    one, other = state[first], state[second]
    if not (isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape):
        raise CheckpointError(f"its tensors '{prefix}{first}' and '{prefix}{second}' are one weight of two shapes.")
    if not one.is_meta and not torch.equal(one, other):
        raise CheckpointError(f"its tensors '{prefix}{first}' and '{prefix}{second}' are one weight of two values.")


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
    if tensor.layout != torch.strided:
        raise CheckpointError(f"its tensor '{name}' is sparse: save it dense, as x.to_dense() is.")
    if tensor.is_quantized or (tensor.is_floating_point() and tensor.element_size() < 2):
        raise CheckpointError(
            f"its tensor '{name}' is quantised ({tensor.dtype}): take the checkpoint from before that was done."
        )
    if tensor.is_complex() or tensor.is_floating_point() != expected[target].is_floating_point():
        kind = "floating-point" if expected[target].is_floating_point() else "whole"
        raise CheckpointError(f"its tensor '{name}' has dtype {tensor.dtype} where {kind} numbers were expected.")
    if not tensor.is_meta and not tensor.isfinite().all():
        raise CheckpointError(f"its tensor '{name}' contains values that are not finite: use another checkpoint.")
    return tensor
