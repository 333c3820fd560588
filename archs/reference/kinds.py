"""What a file is, by its first bytes: a checkpoint of some kind, or something else, told with the way out."""

import re
import zipfile
from pathlib import Path

from skipbench.archs.errors import CheckpointError

HEAD = 512  # bytes that tell
LEGACY = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # near the start of what torch.save wrote before its archives
NETWORKS = (".onnx", ".tflite", ".pb", ".mlmodel", ".engine", ".trt", ".xml", ".param")  # for other runtimes
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
NUMPY = "torch.save({name: torch.from_numpy(x) for name, x in numpy.load(FILE).items()}, NEW)"
ELSE = {  # what a file begins with, what it is then, and the way out
    b"version https://git-lfs": "is Git LFS's pointer to the file, not the file: get that by `git lfs pull`",
    b"\x89HDF": "is an HDF5 file, as Keras writes: no layout here is a Keras network's",
    b"\x93NUMPY": "is one array of numpy's, without a name: expected named tensors",
    b"GGUF": "is a GGUF file, whose weights are quantised: take the checkpoint that it was made from",
    **dict.fromkeys(PACKED, "is compressed: unpack it first"),
    b"<": "is a web page or an answer in XML, as servers send in place of a file: download it again",
    b"{": "is JSON text, without tensors: name the checkpoint's file",
}
INSIDE = (  # the same of archives, by the pattern of a name in them
    (r"[^/]+/(code/.*|constants\.pkl)", "is a TorchScript program: {save}torch.jit.load(FILE).state_dict(), NEW)"),
    (r"(.+/)?archive_format", "is an exported program: {save}torch.export.load(FILE).state_dict, NEW)"),
    (r"[^/]+/data\.pkl", ""),
    (r".*\.npy", "is an archive of numpy's: save its arrays with " + NUMPY),
    (r"model\.weights\.h5", "is a Keras network, which no layout here is of: take one of PyTorch"),
    (r".*", "is a zip archive: unpack it, and name the checkpoint in it"),
)
SAVE = "save its weights with torch.save("


def kind_of(path: Path) -> str:
    """Return "safetensors", "torch" (of torch.save) or "pickle" (of arrays, perhaps).

    Raises CheckpointError, which says what else the file is and how one comes to a checkpoint.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if other := _other(path, head):
        raise CheckpointError(f"{path.name} {other}.")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**40:
        return "safetensors"
    if head.startswith(b"PK") or LEGACY in head[:32]:
        return "torch"
    if head.startswith(b"\x80") or path.suffix in (".pkl", ".pickle"):
        return "pickle"
    if path.suffix in NETWORKS:
        raise CheckpointError(
            f"{path.name} is a network for another runtime: take the checkpoint that it was exported from."
        )
    raise CheckpointError(
        f"{path.name} is not a checkpoint by its first bytes: expected a file of torch.save, a .safetensors file "
        "or a pickle of arrays."
    )


def _other(path: Path, head: bytes) -> str:
    """Return what the file is other than a checkpoint, "" where it may be one."""
    if not head.strip(b"\x00"):
        return "is empty or of zeros alone: download or copy it again"
    if head[257:262] == b"ustar":
        return "is a tar archive: unpack it, and name the checkpoint in it"
    if head.startswith(b"PK"):
        return _other_in_zip(path)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((words for start, words in ELSE.items() if text.startswith(start)), "")


def _other_in_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):  # damage may ask for a later zip
        return "is cut short: download or copy it again"
    for pattern, words in INSIDE:
        if any(re.fullmatch(pattern, name) for name in names):
            return words.replace("{save}", SAVE)
    return "is an empty archive: download or copy it again"
