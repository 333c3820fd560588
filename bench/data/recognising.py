"""Which format a folder is in, or the one step that would bring it into one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from PIL import Image

from skipbench.bench.data.base import DATASETS
from skipbench.bench.data.files.locating import ARCHIVES, files_below, images_below, no_folder
from skipbench.bench.data.files.source import fitting, formats
from skipbench.bench.data.folder.roles import role_of, sort_out
from skipbench.bench.data.pictures.masks import MAX_COLOURS
from skipbench.bench.data.splits import split_of
from skipbench.bench.errors import DataError

LABELLED = "labeled-data"  # DeepLabCut's folder
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".parquet")
OF_JSON = {  # a word that a tool's own file holds, and how to come from that tool to what is read
    '"caption"': "holds captions: boxes, masks or joints are needed beside them",
    '"imagePath"': "is LabelMe's own JSON: convert it to COCO JSON (pip install labelme2coco)",
    '"_via_': "is a VIA project: export its annotations as COCO JSON",
    '"regions"': "is VIA's own JSON: export its annotations as COCO JSON",
    '"completed_by"': "is Label Studio's own JSON: export the project as COCO or YOLO",
    '"data_rows"': "is Labelbox's own JSON: export the project as COCO",
    '"objects"': "is Supervisely's or another tool's own JSON: export the project as COCO",
}
_BEGINNING = 100_000  # characters of a file in which its tool is looked for


def recognise(root: Path) -> str:
    """Return the name of the format that the folder `root` is in. Raises DataError."""
    if not root.is_dir():
        raise DataError(f"data folder {root}: {no_folder(root)}.")
    names = fitting(root)
    plugged_in = [name for name in names if not DATASETS[name].__module__.startswith("skipbench.")]
    names = plugged_in or names  # who writes a format for such folders means it
    if len(names) == 1:
        return names[0]
    if names:
        raise DataError(f"data folder {root} can be read as {' or '.join(names)}; choose one with --format.")
    layouts = "; ".join(f"{source.layout} ({name})" for name, source in formats().items())
    looked_for = "" if images_below(root) else f" Looked for: {layouts}."
    raise DataError(f"data folder {root} is not in a known format: {one_step(root)}.{looked_for}")


def one_step(root: Path) -> str:
    """Return what the folder `root`, which is in no known format, holds, and what would make it a dataset."""
    images, files = images_below(root), files_below(root, lambda name: True)
    if not files:
        return "it is empty"
    if not images:
        return _without_images(root, files)
    of_images, masks = sort_out(images, root)
    if masks and not of_images and not (root / LABELLED).is_dir():
        return (
            f"{_counted(root, masks, 'mask')}, but their images are not there: put these into images/, each under "
            "its mask's name"
        )
    others = sorted({*files} - {*images})
    steps = chain(_twins(root, images), _of_files(root, others), _class_folders(root, images, others))
    return next(steps, "") or _bare(root, images)


def _without_images(root: Path, files: Sequence[Path]) -> str:
    shown = files[0].relative_to(root).as_posix()
    for ends, words in (
        (ARCHIVES, "{} is an archive: unpack it there"),
        (VIDEOS, "{} is a video: save frames of it as images, and annotate these"),
    ):
        if path := next((path for path in files if path.name.lower().endswith(ends)), None):
            return words.format(path.relative_to(root).as_posix())
    return f"it holds no images, but {len(files):,} other file(s) ({shown}): put the images there too"


def _of_files(root: Path, others: Sequence[Path]) -> Iterator[str]:
    """Yield what annotation files of other kinds are, and what they can be converted to."""
    for path in others:
        name, end = path.relative_to(root).as_posix(), path.suffix.lower()
        if end == ".json":
            text = _beginning(path)
            own = next((words for word, words in OF_JSON.items() if word in text), None)
            yield f"{name} {own or 'is not COCO JSON, which has lists of images, annotations and categories'}"
        elif end == ".h5" and path.name.startswith("CollectedData"):
            yield (
                f"{name} has no {path.stem}.csv beside it: "
                f"python -c \"import pandas; pandas.read_hdf('{path.name}').to_csv('{path.stem}.csv')\" writes it"
            )
        elif end in (".slp", ".pkl", ".mat"):
            yield f"{name} is a file of another program: export its annotations as CSV or COCO JSON"
        elif end == ".xml":
            yield f"{name} is not Pascal VOC's XML: export the project as COCO or as Pascal VOC"
        elif end in TABLES:
            yield f"{name} is a table of no known form: write what it has as COCO JSON or as YOLO's text files"
    if (root / LABELLED).is_dir():
        yield f"{LABELLED}/ has frames, but no CollectedData*.csv: label them in DeepLabCut, and save"


def _beginning(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_BEGINNING)


def _twins(root: Path, images: Sequence[Path]) -> Iterator[str]:
    """Yield that of two folders with files of the same names one holds masks, whatever it is called."""
    stems: dict[Path, set[str]] = defaultdict(set)
    for path in images:
        stems[path.parent].add(path.stem)
    alike: dict[frozenset[str], list[Path]] = defaultdict(list)
    for folder in (folder for folder in stems if not split_of(folder.name)):
        alike[frozenset(stems[folder])].append(folder)
    for folders in alike.values():
        of_masks = [folder for folder in folders if _is_mask(_first(images, folder))] if len(folders) == 2 else []
        if len(of_masks) == 1:
            shown = " and ".join(_path(root, folder) for folder in folders)
            mask = of_masks[0].relative_to(root).as_posix()
            yield (
                f"{shown} hold files of the same names, of which {mask}/ looks like masks: rename it to masks/, or "
                f"give --format folder and masks={mask}"
            )


def _first(images: Sequence[Path], folder: Path) -> Path:
    return next(path for path in images if path.parent == folder)


def _is_mask(path: Path) -> bool:
    """Return whether an image has as few colours as a mask."""
    try:
        with Image.open(path) as image:
            return image.getcolors(MAX_COLOURS) is not None
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def _class_folders(root: Path, images: Sequence[Path], others: Sequence[Path]) -> Iterator[str]:
    """Yield that images sorted into folders by what they show are annotated for another task."""
    folders = {path.parent for path in images}
    told = any(role_of(folder.relative_to(root).parts) or split_of(folder.name) for folder in folders)
    if len(folders) > 1 and root not in folders and not told and not others:
        shown = ", ".join(_path(root, folder) for folder in sorted(folders)[:3])
        yield (
            f"its folders ({shown}) look like classes of whole images, which is no task here: segmentation, "
            "detection and pose need masks, boxes or joints on each image"
        )


def _bare(root: Path, images: Sequence[Path]) -> str:
    parts = images[0].relative_to(root).with_suffix(".png").parts
    inner = parts[1:] if len(parts) > 1 and role_of(parts[:1]) == "image" else parts
    return (
        f"{_counted(root, images, 'image')} without annotations: put a mask of each into masks/ "
        f"({'/'.join(('masks', *inner))} for {images[0].relative_to(root).as_posix()}), or COCO JSON with boxes or "
        "joints beside them"
    )


def _counted(root: Path, paths: Sequence[Path], what: str) -> str:
    """Return "30 images lie in images/"."""
    folders = list(dict.fromkeys(path.parent for path in paths))
    places = " and ".join(_path(root, folder) for folder in folders[:2]) + " ..." * (len(folders) > 2)
    return f"{len(paths):,} {what}{'s lie' if len(paths) > 1 else ' lies'} in {places}"


def _path(root: Path, folder: Path) -> str:
    return "the folder itself" if folder == root else f"{folder.relative_to(root).as_posix()}/"
