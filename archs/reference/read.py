"""Reading what training scripts write: which of its values are the weights, and never code that it brings along.

Beside the weights a file may hold what a training keeps: it is left out. Of a pickled object of a known, harmless
kind nothing but its place is read; any other that is no plain value is refused.
"""

import json
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from skipbench.archs.errors import CheckpointError
from skipbench.display import first_line

# Under which training scripts store the weights; what is averaged is taken only where nothing else is there.
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "network_weights",
    "model",
    "net",
    "network",
    "weights",
)
AVERAGES = ("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema", "module")
PREFIXES = ("module.", "model.", "net.", "_orig_mod.")  # of DataParallel, of trainers, of torch.compile
FILES = ("model.safetensors", "pytorch_model.bin")  # of a folder that save_pretrained has written
# What trainings keep beside their weights as pickled objects, which are read as nothing.
HARMLESS = (
    "argparse.Namespace",
    *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
    *(f"datetime.{kind}" for kind in ("date", "datetime", "timedelta")),
    *(f"numpy.{core}.multiarray.{made}" for core in ("core", "_core") for made in ("scalar", "_reconstruct")),
    "numpy.ndarray",
    "numpy.dtype",
    "mmengine.logging.history_buffer.HistoryBuffer",
    *(f"omegaconf.{name}" for name in ("base.ContainerMetadata", "base.Metadata", "nodes.AnyNode")),
    *(f"omegaconf.{kind}config.{kind.title()}Config" for kind in ("dict", "list")),
    "typing.Any",
    *(
        f"{module}.{kind.__name__}"
        for module in ("builtins", "__builtin__")
        for kind in (dict, list, int, float, str)
    ),
)
MAPPINGS = (  # the same, of what is filled as a mapping is
    "collections.defaultdict",
    "mmengine.config.config.ConfigDict",
    "mmcv.utils.config.ConfigDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    *(f"lightning{dot}fabric.utilities.data.AttributeDict" for dot in "._"),
)
ARRAYS = {  # what a pickle of plain arrays is made of, as Detectron2's released weights are
    **{(f"numpy.{core}.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0] for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
    ("collections", "OrderedDict"): dict,
}


@dataclass(frozen=True)
class Weights:
    """The named tensors of a checkpoint; `key` is where they stood in it ("state_dict"), "" for at the top.

    `others` are further sets of weights in it, as "state_dict_ema"; `config` is what a folder's config.json says.
    """

    tensors: dict[str, Any]
    key: str = ""
    others: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def read_state(source: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Return the tensors of a state dict or of a checkpoint by name, without first "module.", "model.", "net." or
    "_orig_mod." that all names share.

    A checkpoint is read as by `read_weights`, and raises as that does.
    """
    return without_prefixes(read_weights(source).tensors)


def read_weights(source: Mapping[str, Any] | str | Path, under: str | None = None) -> Weights:
    """Return the weights in a state dict, a checkpoint file or a folder of `save_pretrained`.

    A file that ends in .safetensors is read as such, one in .pkl as a pickle of plain arrays, any other by
    `torch.load(weights_only=True)`, which runs no code of the file. Where the weights are stored under a key, such
    as "state_dict", they are found there; `under` names the key where there are several.
    Raises CheckpointError where nothing can be read, where there is more than plain values, or no tensors.
    """
    config: Mapping[str, Any] = {}
    if not isinstance(source, Mapping) and Path(source).is_dir():
        source, config = _in_folder(Path(source))
    content = source if isinstance(source, Mapping) else _read(Path(source))
    found = dict(_state_dicts(content))
    if not found:
        raise CheckpointError(
            "it contains no named tensors: expected a state dict, or one stored under "
            f"{', '.join(map(repr, WRAPPERS[:3]))} or the like; save one with torch.save(model.state_dict(), FILE)."
        )
    key = _choose(found, under)
    return Weights(
        {name: torch.from_numpy(x) if isinstance(x, np.ndarray) else x for name, x in found[key].items()},
        key,
        tuple(other for other in found if other != key),
        config,
    )


def without_prefixes(state: dict[str, Any]) -> dict[str, Any]:
    """Return the tensors without a trainer's first words that all names share."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return without_prefixes({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def _state_dicts(content: Any, key: str = "", depth: int = 3) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every mapping of named tensors in a checkpoint, by its place ("ema.module")."""
    if not (depth and isinstance(content, Mapping) and all(isinstance(name, str) for name in content)):
        return
    inner = [
        pair
        for name, value in content.items()
        for pair in _state_dicts(value, f"{key}.{name}".strip("."), depth - 1)
    ]
    wrapped = any(place.rpartition(".")[2] in WRAPPERS for place, _ in inner)
    # a lone number is a loss or a score, not a weight
    if not wrapped and any(isinstance(value, Tensor | np.ndarray) and value.ndim for value in content.values()):
        yield key, content
    yield from inner


def _choose(found: Iterable[str], under: str | None) -> str:
    """Return the key of the weights that are meant. Raises CheckpointError where it cannot be told."""
    keys = list(found)
    if under in keys:
        return str(under)
    for word in ("", *WRAPPERS, *AVERAGES):
        named = [key for key in keys if key == word or (word and key.rpartition(".")[2] == word)]
        if named:
            return min(named, key=len)
    if len(keys) == 1:
        return keys[0]
    raise CheckpointError(
        f"it has several sets of weights, under {', '.join(map(repr, keys[:6]))}: say which, with under='NAME' "
        "(--under NAME)."
    )


def _in_folder(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the weights' file in a folder of `save_pretrained`, and what its config.json says."""
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise CheckpointError(f"the folder {folder} has none of {', '.join(FILES)}: name the checkpoint's file.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return file, {}
    return file, config if isinstance(config, dict) else {}


class _Ignored:
    """Stands for an object that is no weight: it takes whatever it was made of, and keeps nothing."""

    def __new__(cls, *args: Any) -> "_Ignored":
        return super().__new__(cls)

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Mapping:
    """Stands for a mapping of somebody's own kind; what comes is the plain one that torch fills."""

    def __new__(cls, *args: Any) -> Any:
        return OrderedDict()


KNOWN: Any = [*((_Ignored, name) for name in HARMLESS), *((_Mapping, name) for name in MAPPINGS)]


class _Arrays(pickle.Unpickler):
    """Reads a pickle of arrays and plain values, and refuses anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ARRAYS[module, name]


def _read(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"there is no such file: {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                return _Arrays(file, encoding="latin1").load()
        with torch.serialization.safe_globals(KNOWN):
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
