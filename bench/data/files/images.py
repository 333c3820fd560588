"""Which files of a folder are images."""

from collections import defaultdict
from functools import cache
from pathlib import Path

from PIL import Image


def images_by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the image files in `folder` by their names without type; none where there is no such folder.

    Hidden files and files of other types are passed over.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in _readable() and not path.name.startswith(".") and path.is_file():
            files[path.stem].append(path)
    return dict(files)


@cache
def _readable() -> frozenset[str]:
    return frozenset(end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN)
