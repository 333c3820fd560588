"""Weights that an encoder begins with, published or one's own, and what was done to the images that made them."""

from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path

import timm
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import get_pretrained_cfg, load_state_dict
from timm.models._hub import download_cached_file, hf_split
from torch import Tensor

from skipbench.archs.errors import PretrainedError
from skipbench.archs.spec import ArchSpec
from skipbench.display import first_line

Channels = tuple[float, ...]
FILES = ("model.safetensors", "pytorch_model.bin")  # in which a repository of the hub has a model's weights
PATIENCE_S = 10.0


def normalisation(spec: ArchSpec) -> tuple[Channels, Channels]:
    """Return the mean and the standard deviation that images from 0 to 1 are normalised by, one per channel.

    ImageNet's, and those that a pretrained encoder was trained with. Channels that are no colours take the mean of
    the three; of a pretrained encoder more than three take them in turns, as timm repeats its first weights.
    """
    mean, std = IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    known = get_pretrained_cfg(spec.encoder) if spec.weighted else None
    if known is not None and len(known.mean) == len(known.std) == 3:
        mean, std = known.mean, known.std
    in_turns = spec.weighted and spec.in_channels > 1
    return _of_channels(mean, spec.in_channels, in_turns), _of_channels(std, spec.in_channels, in_turns)


def _of_channels(colours: Channels, count: int, in_turns: bool) -> Channels:
    if in_turns or count == len(colours):
        return tuple(islice(cycle(colours), count))
    return (sum(colours) / len(colours),) * count


def require_published(encoder: str) -> None:
    """See that an encoder's published weights are here or can be had, by one try. Raises PretrainedError."""
    known = get_pretrained_cfg(encoder)
    if known is None or not known.has_weights:
        raise PretrainedError(
            f"timm has no published weights for encoder '{encoder}': name one of timm.list_pretrained(), give your "
            "own with encoder_weights=FILE, or set pretrained=False."
        )
    try:
        if known.hf_hub_id:
            repository, revision = hf_split(known.hf_hub_id)
            _try_hub(repository, revision, known.hf_hub_filename)
        else:
            download_cached_file(str(known.url), progress=False)
    except Exception as error:  # whatever the libraries below raise where there is no network
        raise PretrainedError(
            f"the published weights of encoder '{encoder}' are not on this machine, and cannot be had from "
            f"{known.hf_hub_id or known.url} ({first_line(error).rstrip('.')}): give a file of them "
            "(model.encoder_weights=FILE in a suite, --set encoder_weights=FILE elsewhere), or fill the cache on a "
            "machine that is online and copy it here (~/.cache/huggingface, or where HF_HOME says)."
        ) from error


def _try_hub(repository: str, revision: str | None, file: str | None) -> None:
    """Return where one of the files is in the cache or at the hub; raise what looking for the last one raises."""
    first, *others = (file,) if file else FILES
    if isinstance(try_to_load_from_cache(repository, first, revision=revision), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(repository, first, revision=revision), timeout=PATIENCE_S)
    except Exception:
        if not others:
            raise
        _try_hub(repository, revision, others[0])


def read_weights(spec: ArchSpec) -> dict[str, Tensor]:
    """Return the tensors of the file `encoder_weights` under timm's names; no code in it is run.

    One prefix that all of an encoder's tensors have, as in a whole network's file, is taken off.
    Raises PretrainedError where it cannot be read or has none of the encoder's tensors.
    """
    file = Path(spec.encoder_weights or "")
    if not file.is_file():
        raise PretrainedError(f"encoder_weights is {file}, but there is no such file.")
    try:
        saved = load_state_dict(str(file), device="cpu", weights_only=True)
        found = {name: x for name, x in saved.items() if isinstance(x, Tensor)}
    except Exception as error:  # pickles and safetensors fail in their own ways
        reason = first_line(error)
        if "weights_only" in reason:  # torch's words are on an option that nobody has here
            reason = "it holds other things than tensors, or is damaged; no code in it is run"
        raise PretrainedError(f"encoder_weights, {file}, cannot be read as weights ({reason}).") from error
    wanted = _wanted(spec)
    prefixes = [name.removesuffix(first) for first in list(wanted)[:1] for name in found if name.endswith(first)]
    prefix = max(prefixes, key=lambda start: sum(start + name in found for name in wanted), default="")
    taken = {name.removeprefix(prefix): x for name, x in found.items() if name.startswith(prefix)}
    if not found:
        raise PretrainedError(f"encoder_weights, {file}, holds no tensors.")
    if not taken.keys() & wanted.keys():
        raise PretrainedError(
            f"{file} has no tensor of encoder '{spec.encoder}': its first is '{next(iter(found))}', and timm's "
            f"is '{next(iter(wanted))}'."
        )
    return taken


def takes_channels(weights: Mapping[str, Tensor], spec: ArchSpec) -> bool:
    """Return whether weights are of an encoder whose first convolutions have as many channels as are wanted."""
    names = _first(spec)
    return bool(names) and all(name in weights and weights[name].shape[1] == spec.in_channels for name in names)


def misfit(weights: Mapping[str, Tensor], spec: ArchSpec) -> str:
    """Return in a sentence which of the weights first has another shape than the encoder's; "" where none has.

    First convolutions for three channels are no misfit: timm makes weights for any number of them.
    """
    for name, ours in _wanted(spec).items():
        theirs = weights.get(name, ours)
        if theirs.shape != ours.shape and not (name in _first(spec) and theirs.shape[1] == 3):
            return (
                f"its '{name}' has the shape {list(theirs.shape)}, and that of encoder '{spec.encoder}' for "
                f"{spec.in_channels} channel(s) {list(ours.shape)}."
            )
    return ""


def _wanted(spec: ArchSpec) -> dict[str, Tensor]:
    with torch.device("meta"):
        state: dict[str, Tensor] = timm.create_model(spec.encoder, in_chans=spec.in_channels).state_dict()
    return state


def _first(spec: ArchSpec) -> list[str]:
    """Return the names of the weights that see the image."""
    known = get_pretrained_cfg(spec.encoder)
    first = (known.first_conv if known else None) or ()
    return [f"{name}.weight" for name in ((first,) if isinstance(first, str) else first)]
