"""Reading what training scripts write: which of its values are the weights, and never code that it brings along.

Beside the weights a file may hold what a training keeps: it is left out. Of a pickled object of a known, harmless
kind nothing but its place is read; any other that is no plain value is refused.
"""

import pickle
import re
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
from skipbench.archs.reference.folders import files_of
from skipbench.archs.reference.kinds import kind_of
from skipbench.archs.reference.rewritten import plain_weights
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
DEPTH = 5  # of mappings in mappings, as "callbacks.EMA.ema_state_dict"
# What torch puts into the names of the modules that it compiles, shards or recomputes.
WRAPPED = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# What trainings keep beside their weights as pickled objects, which are read as nothing.
HARMLESS = (
    "argparse.Namespace",
    *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
    *(f"datetime.{kind}" for kind in ("date", "datetime", "timedelta")),
    *(f"numpy.{core}.multiarray.{made}" for core in ("core", "_core") for made in ("scalar", "_reconstruct")),
    *(f"numpy.{kind}" for kind in ("ndarray", "dtype", "float16", "float32", "float64", "int32", "int64", "bool_")),
    *("types.SimpleNamespace", "torch.torch_version.TorchVersion"),
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
    *(f"collections.{kind}" for kind in ("defaultdict", "Counter")),
    *("easydict.EasyDict", "addict.addict.Dict", "munch.Munch", "yacs.config.CfgNode"),
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

    What a file is, its first bytes tell: safetensors, a pickle of plain arrays, or one of torch.save, which is read
    by `torch.load(weights_only=True)`; none of its code is run. Weights in several files, which an index lists, are
    one. Where they are stored under a key, such as "state_dict", they are found there; `under` names the key where
    there are several. What torch puts into the names of compiled or sharded modules is left out of them; weights
    that are stored as what they are computed from are as `plain_weights` returns them.
    Raises CheckpointError where nothing can be read, where there is more than plain values, or no tensors.
    """
    config: Mapping[str, Any] = {}
    found = {}
    if isinstance(source, Mapping):
        found = dict(_state_dicts(source)) or dict(_state_dicts(source, np.ndarray))
    else:
        files, config = files_of(Path(source))
        found = dict(_state_dicts(_joined(files, KNOWN))) or dict(_state_dicts(_joined(files, NUMPY), np.ndarray))
    subject = "it" if isinstance(source, Mapping) else Path(source).name
    if not found:
        raise CheckpointError(
            f"{subject} contains no named tensors: expected a state dict, or one stored under "
            f"{', '.join(map(repr, WRAPPERS[:3]))} or the like; save one with torch.save(model.state_dict(), FILE)."
        )
    key = _choose(found, under)
    if key is None:  # parts of a network, or several ones, which their names tell
        found = {"": {f"{place}.{name}": x for place, part in found.items() for name, x in part.items()}}
        key = ""
    return Weights(
        dict(plain_weights({name: _as_tensor(x) for name, x in _plainly_named(found[key]).items()})),
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


def _plainly_named(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tensors by their names without what torch puts in; as they are, where two would be one."""
    plain = {WRAPPED.sub("", name): x for name, x in tensors.items()}
    return plain if len(plain) == len(tensors) else tensors


def _as_tensor(value: Any) -> Any:
    """Return an array of numbers as a tensor, in this machine's order of bytes; anything else as it is."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        return value
    return torch.from_numpy(np.array(value, value.dtype.newbyteorder("=")))


def _state_dicts(
    content: Any, kind: Any = Tensor, key: str = "", depth: int = DEPTH
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every mapping of named tensors, or of arrays, in a checkpoint, by its place ("ema.module")."""
    if isinstance(content, list | tuple):  # as of torch.save((weights, epoch), FILE)
        for place, value in enumerate(content if depth else ()):
            yield from _state_dicts(value, kind, f"{key}.{place}".strip("."), depth - 1)
    if not (depth and isinstance(content, Mapping) and all(isinstance(name, str) for name in content)):
        return
    inner = [
        pair
        for name, value in content.items()
        for pair in _state_dicts(value, kind, f"{key}.{name}".strip("."), depth - 1)
    ]
    wrapped = any(place.rpartition(".")[2] in WRAPPERS for place, _ in inner)
    # a lone number is a loss or a score, not a weight
    if not wrapped and any(isinstance(value, kind) and value.ndim for value in content.values()):
        yield key, content
    yield from inner


def _choose(found: Iterable[str], under: str | None) -> str | None:
    """Return the key of the weights that are meant, None where it cannot be told."""
    keys = list(found)
    if under in keys:
        return str(under)
    for word in ("", *WRAPPERS, *AVERAGES):
        named = [key for key in keys if key == word or (word and key.rpartition(".")[2] == word)]
        if named:
            return min(named, key=len)
    return keys[0] if len(keys) == 1 else None


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


# Of arrays: the types of their dtypes too, as torch asks for the type of what it fills.
DTYPES = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?")]


class _List:
    """Stands for a list of another kind."""

    def __new__(cls, *args: Any) -> Any:
        return []


KNOWN: Any = [*((_Ignored, name) for name in HARMLESS), *((_Mapping, name) for name in MAPPINGS)]
KNOWN += [(_List, "collections.deque")]


NUMPY: Any = [
    *(pair for pair in KNOWN if tuple(pair[1].rsplit(".", 1)) not in ARRAYS),
    *((made, f"{module}.{name}") for (module, name), made in ARRAYS.items() if module != "collections"),
    *((kind, f"numpy.dtypes.{kind.__name__}") for kind in DTYPES),
]


class _Arrays(pickle.Unpickler):
    """Reads a pickle of arrays and plain values, and refuses anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ARRAYS[module, name]


def _joined(files: list[Path], known: Any) -> Any:
    """Return what is in the files, which are of one network."""
    first, *others = (_read(file, known) for file in files)
    for other in others:
        first = {**first, **other}
    return first


def _read(path: Path, known: Any) -> Any:
    kind = kind_of(path)
    try:
        if kind == "safetensors":
            return load_file(path)
        if kind == "pickle":
            with path.open("rb") as file:
                return _Arrays(file, encoding="latin1").load()
        with torch.serialization.safe_globals(known), path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} holds more than tensors and plain values{_asked(error)}; reading that could run any "
            "code, so it is refused: if you trust the file, load it where it was made, and save the network's "
            "state dict alone with torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # torch raises whatever a torn file leads it to
        raise CheckpointError(
            f"{path.name} is torn, or no checkpoint ({type(error).__name__}: {first_line(error)}): download or "
            "copy it again."
        ) from error


def _asked(error: Exception) -> str:
    """Return " (module.Class)", of what a pickle asks for."""
    named = re.search(r"(?:GLOBAL|Unsupported class|asks for) ([\w.]+)", str(error))
    return f" ({named[1].removesuffix('.')})" if named else ""
