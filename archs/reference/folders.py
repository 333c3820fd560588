"""Which files hold the weights: the one that is named, those that an index lists, or the only one of a folder."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skipbench.archs.errors import CheckpointError
from skipbench.display import one_line

FILES = ("model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors")  # of save_pretrained
INDEX = ".index.json"  # follows these names where the weights are in several files
ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".pkl", ".tar")
PART = re.compile(r"(.+)-\d+-of-\d+(\.\w+)")
NAMED = 4  # of a folder's files, in the sentence that asks for one


def files_of(source: Path) -> tuple[list[Path], Mapping[str, Any]]:
    """Return the files, and what a config.json beside them says.

    Raises CheckpointError where there are none, or where it cannot be told which are meant.
    """
    if source.is_dir():
        return _listed(_of_folder(source)), _config(source / "config.json")
    if re.match(r"(https?|s3|gs|hf):/", str(source)):
        raise CheckpointError(f"{source} is an address: download the file, and name it here.")
    if not source.is_file():
        raise CheckpointError(f"there is no such file: {source}.")
    if part := PART.fullmatch(source.name):
        index = source.with_name(f"{part[1]}{part[2]}{INDEX}")
        mend = f"name {index.name} or the folder" if index.is_file() else f"fetch {index.name} and the other parts"
        raise CheckpointError(f"{source.name} is a part of the weights: {mend}.")
    return _listed(source), {}


def _of_folder(folder: Path) -> Path:
    """Return the file of weights, or their index, in a folder of `save_pretrained` or of a training."""
    for name in (*FILES, *(f"{name}{INDEX}" for name in FILES)):
        if (folder / name).is_file():
            return folder / name
    found = [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if path.is_file()]
    if any(path.suffix == ".distcp" for path in found):
        raise CheckpointError(
            f"the folder {folder} is a sharded checkpoint of torch.distributed: make it one file with "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE)."
        )
    weights = [path for path in found if path.suffix in ENDINGS]
    if len(weights) == 1:
        return weights[0]
    names = ", ".join(str(path.relative_to(folder)) for path in weights[:NAMED])
    have = f"has several checkpoints ({names}{', ...' if len(weights) > NAMED else ''}): name one of them"
    none = f"has none of {', '.join(FILES[:2])}: name the checkpoint's file"
    raise CheckpointError(f"the folder {folder} {have if weights else none}.")


def _listed(path: Path) -> list[Path]:
    """Return the files that an index lists, all beside it; any other file is its own."""
    if not path.name.endswith(INDEX):
        return [path]
    listed = _config(path).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise CheckpointError(f"{path.name} lists no files of weights: it has no 'weight_map' of names.")
    names = list(dict.fromkeys(listed.values()))
    for name in names:
        if Path(name).name != name or not path.with_name(name).is_file():
            raise CheckpointError(
                f"{path.name} lists {one_line(name, 80)}, which is not beside it: fetch all parts."
            )
    return [path.with_name(name) for name in names]


def _config(path: Path) -> Mapping[str, Any]:
    """Return what a JSON file says, nothing where it is not there or no mapping."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
