"""Saving a network to a folder and building it again from one, or from the Hugging Face hub."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.constants import CONFIG_NAME
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE as WEIGHTS_NAME
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from typing_extensions import Self

from skipbench.archs.drafts import drafted
from skipbench.archs.errors import ArchError, PretrainedError, UnknownNameError
from skipbench.archs.spec import FACTORS, ArchSpec
from skipbench.display import first_line

CARD_NAME = "README.md"
LIBRARY, VERSION = "skipbench", 1  # of config.json; a change that old readers cannot read raises the version
MAX_PER_TENSOR, MAX_EXTRA = 8, 1000  # parameters made per tensor in the file: encoders are planned whole, then cut
UNSAFE = (
    "checkpoint_path",
    "cache_dir",
)  # arguments of timm.create_model that name files; so do pretrained_cfg ...
MAX_NAMED = 3  # of the tensors that do not fit, in the sentence that says so

CARD = """---
{{ card_data }}
---

An image network of skipbench's design space; `config.json` lists its factors.

    from skipbench import archs
    model = archs.EncoderDecoder.from_pretrained("folder or repository")
"""


class Pretrained(nn.Module, PyTorchModelHubMixin, library_name=LIBRARY, model_card_template=CARD):
    """Gives a network `save_pretrained(directory)`, `from_pretrained(directory_or_repository)` and `push_to_hub`.

    A folder holds config.json (every factor of the spec, and the version of the format), model.safetensors
    (a weight that several layers share is saved once) and a README.md. As is the hub's habit, saving
    replaces the first two where they are there, and leaves a README.md as it is.
    """

    spec: ArchSpec

    def save_pretrained(
        self, save_directory: str | Path, *, push_to_hub: bool = False, repo_id: str | None = None, **options: Any
    ) -> str | None:
        """Write the network to a folder, which loses nothing of what it holds before all is written in full.

        With `push_to_hub`, also push it to the hub, with the `options` of the method of that name, and return the
        address of the commit. Raises WriteError.
        """
        folder = Path(save_directory)
        config = {"library": LIBRARY, "version": VERSION, "factors": self.spec.to_dict()}
        with drafted(folder / WEIGHTS_NAME) as weights, drafted(folder / CONFIG_NAME) as factors:
            weights.write_bytes(save(tensors(self)))
            factors.write_text(json.dumps(config, indent=2) + "\n")
        if not (folder / CARD_NAME).exists():
            with drafted(folder / CARD_NAME) as card:
                self.generate_model_card(**(options.get("model_card_kwargs") or {})).save(card)
        return self.push_to_hub(repo_id or folder.name, **options) if push_to_hub else None

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, map_location: str = "cpu", **download: Any
    ) -> Self:
        """Return the network that a folder, or a repository of the hub, holds, ready for inference.

        `download` goes to `huggingface_hub.hf_hub_download` (revision, token, cache_dir, local_files_only ...).
        No other weights are fetched: the spec is its `fresh` one from here on.
        Raises PretrainedError where a file is missing, unreadable, from elsewhere or does not fit the other, where
        weights are not finite or the config names further files,
        and the errors of `ArchSpec.from_dict` and `build_model`, naming the file.
        """
        source = str(pretrained_model_name_or_path)
        factors = _read_factors(_locate(source, CONFIG_NAME, download), source)
        weights = _locate(source, WEIGHTS_NAME, download)
        return cls.from_weights(factors, weights, (CONFIG_NAME, source)).to(map_location)

    @classmethod
    def from_weights(cls, factors: dict[str, Any], weights: Path, origin: tuple[str, str]) -> Self:
        """Return the network of these factors with the weights of a safetensors file, ready for inference.

        `origin` says in errors where the factors stand, and whose both are. Raises as `from_pretrained` does.
        """
        config, source = origin
        spec = _safe_spec(factors, f"{config} of {source}")
        saved = _read_weights(weights, source)
        with torch.device("meta"), _at_most(MAX_PER_TENSOR * len(saved) + MAX_EXTRA, f"{config} of {source}"):
            try:
                planned = cls(spec)  # before what the config asks for takes memory
            except ArchError:
                raise
            except Exception as error:  # layers raise whatever strange factors lead them to
                words = f"{type(error).__name__}: {first_line(error)}"
                raise PretrainedError(f"{config} of {source} does not describe a network ({words}).") from error
        _require_fit(planned, saved, f"{weights.name} of {source} does not fit its {config}")
        model = cls(spec)
        model.load_state_dict(saved, strict=False)  # the second names of shared tensors are not in the file
        return model.eval()


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the model's weights and buffers by name; one that several layers share, under its first name.

    (safetensors' own `save_model` loses track of shared tensors without axes, such as BatchNorm's counters.)
    """
    first = {name for name, _ in itertools.chain(model.named_parameters(), model.named_buffers())}
    return {name: x.contiguous() for name, x in model.state_dict().items() if name in first}


def _locate(source: str, name: str, download: dict[str, Any]) -> Path:
    """Return the path of a file of the folder, or of the repository after downloading it."""
    if Path(source).is_dir():
        path = Path(source) / name
        if not path.is_file():
            raise PretrainedError(
                f"the folder {source} holds no {name}; expected a folder that save_pretrained has written."
            )
        return path
    try:
        return Path(hf_hub_download(source, name, **download))
    except (OSError, EntryNotFoundError, HFValidationError) as error:
        raise PretrainedError(
            f"there is no folder {source}, and {name} could not be downloaded from a repository of that name: "
            f"{first_line(error)}."
        ) from error


def _read_factors(path: Path, source: str) -> dict[str, Any]:
    """Return the factors in a config.json of this version."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise PretrainedError(f"{CONFIG_NAME} of {source} is not a JSON file: {first_line(error)}.") from error
    if not isinstance(config, dict) or not isinstance(config.get("factors"), dict):
        raise PretrainedError(
            f"{CONFIG_NAME} of {source} is not one that save_pretrained has written: it has no key 'factors'."
        )
    if config.get("version") != VERSION:
        raise PretrainedError(
            f"{CONFIG_NAME} of {source} has version {config.get('version')}, but this skipbench reads version "
            f"{VERSION}: install the skipbench that wrote it."
        )
    return dict(config["factors"])


def _safe_spec(factors: dict[str, Any], place: str) -> ArchSpec:
    """Return the spec as `fresh`: all weights come from the file beside it, and none from elsewhere."""
    try:
        spec = ArchSpec.from_dict(factors).fresh
    except UnknownNameError as error:
        mend = " A part from a plug-in has to be registered first: import its module (or --plugin FILE)."
        mend = mend if factors.keys() <= FACTORS.keys() else ""
        raise PretrainedError(f"{place}: {error}{mend}") from error
    except ArchError as error:
        raise PretrainedError(f"{place}: {error}") from error
    unsafe = [name for name in spec.encoder_args if name.startswith("pretrained") or name in UNSAFE]
    if unsafe:
        raise PretrainedError(
            f"{place} has encoder_args.{unsafe[0]}, which would read other files: remove it; "
            "all weights come from the folder."
        )
    return spec


def _read_weights(weights: Path, source: str) -> dict[str, Tensor]:
    """Return the tensors of the file, each of finite numbers. Raises PretrainedError."""
    try:
        saved = load_file(weights)
    except (SafetensorError, OSError, ValueError) as error:
        raise PretrainedError(f"{weights.name} of {source} cannot be read: {first_line(error)}.") from error
    for name, x in saved.items():
        if not x.isfinite().all():
            raise PretrainedError(
                f"{weights.name} of {source} contains values that are not finite, the first in {name}."
            )
    return saved


@contextmanager
def _at_most(limit: int, config: str) -> Iterator[None]:
    """Raise PretrainedError where more than `limit` parameters are made: a config may ask for endless layers."""
    made = itertools.count(1)

    def count(*parameter: object) -> None:
        if next(made) > limit:
            raise PretrainedError(f"{config} asks for far more layers than its weights have.")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _require_fit(model: nn.Module, saved: dict[str, Tensor], misfit: str) -> None:
    """Raise PretrainedError, which `misfit` begins, unless the model has just these tensors."""
    have = {name: _described(x) for name, x in saved.items()}
    want = {name: _described(x) for name, x in tensors(model).items()}
    if have != want:
        wrong = [
            f"{name} {have.get(name, '(not in the file)')}, expected {want.get(name, 'no such tensor')}"
            for name in sorted(have.keys() | want.keys())
            if have.get(name) != want.get(name)
        ]
        raise PretrainedError(f"{misfit}: {len(wrong)} tensors differ, first {'; '.join(wrong[:MAX_NAMED])}.")


def _described(x: Tensor) -> str:
    """Return "(64, 3, 7, 7)", with the kind of its numbers where they are no floating-point ones."""
    kind = "" if x.is_floating_point() else f" {x.dtype}".replace("torch.", "")
    return f"{tuple(x.shape)}{kind}"
