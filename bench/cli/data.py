"""`skipbench data`: whether a dataset can be used, and what it looks like."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer
from PIL import ExifTags, Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from skipbench.bench.cli.options import Plugins, load, read_size
from skipbench.bench.cli.output import print_table
from skipbench.bench.errors import SuiteError
from skipbench.bench.files import MARK, require_own, whole_file
from skipbench.bench.validation import parse
from skipbench.bench.yaml_values import assigned

if TYPE_CHECKING:
    from skipbench.bench.data import Data, DataInfo, FileSource, Survey

EXAMPLE = "ignore_index=11"
_PATIENCE_S = 2.0  # no bar for what takes less

data = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder with images and annotations.")]
FormatName = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="Its format, recognised if not given.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="An option of the dataset, such as ignore_index=11."),
]

DataOverrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="The same as for `skipbench run`: data.ignore_index=11."),
]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(data, name="data")


@data.callback()
def data_commands() -> None:
    """Check a dataset, or look at it: images with masks, COCO JSON, Pascal VOC, YOLO, DeepLabCut, SLEAP.

    \b
    Examples:
      skipbench data check my/images
      skipbench data show my/images --out sheet.png
    """


@data.command()
def check(
    folder: Folder,
    overrides: DataOverrides = None,
    format: FormatName = None,
    options: Options = None,
    plugin: Plugins = None,
) -> int:
    """Decode every file, say how it is read, and list all that is wrong, each with its reason.

    What can be mended is mended and noted; images that cannot be used are left out while they are few (drop=0.1).
    Ends with exit code 1 if a file can't be used, 2 if the folder has none of the known formats.

    \b
    Examples:
      skipbench data check my/images data.ignore_index=11
      skipbench data check my/images "data.classes={0: membrane, 255: cell}"
      skipbench data check my/coco --format coco --set "read=[boxes]"
    """
    load(plugin)
    name, source = _source(folder, format, [*(options or []), *(overrides or [])])
    survey = source.survey(_watched)
    _print_survey(name, survey)
    if not survey.problems:
        print("Every file can be used.")
        return 0
    print(f"{len(survey.problems)} problem(s):")
    for problem in survey.problems:
        print(f"  {problem}")
    if not survey.refusal:
        print("The dataset can be used without these files.")
    return 1


@data.command()
def show(
    dataset: Annotated[str, typer.Argument(metavar="DIR", help="A folder, or a dataset's name, such as scenes.")],
    overrides: DataOverrides = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture to write.")] = Path("sheet.png"),
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 8,
    size: Annotated[str, typer.Option("--img-size", metavar="HxW", help="Size to read at, in pixels.")] = "240x320",
    seed: Annotated[int, typer.Option(min=0, help="Of the augmentation.")] = 0,
    format: FormatName = None,
    options: Options = None,
    plugin: Plugins = None,
) -> None:
    """Write a contact sheet: images with their annotations, as they are read and as training varies them.

    --out names a new file, or one that this command has written; no other is overwritten.

    \b
    Examples:
      skipbench data show my/images --out sheet.png --count 12
      skipbench data show scenes --img-size 96x96
    """
    from skipbench.bench.training.sheet import contact_sheet

    load(plugin)
    require_own(out)
    given = [f"size={list(read_size(size))}", *(options or []), *(overrides or [])]
    sheet = contact_sheet(_opened(dataset, format, given), count, seed)
    try:
        form = Image.registered_extensions().get(out.suffix.lower(), out.suffix)
        exif = Image.Exif()
        exif[ExifTags.Base.Software] = MARK
        with whole_file(out) as file:
            sheet.save(file, form, exif=exif)
    except (OSError, ValueError, KeyError) as error:  # a KeyError where the ending is of no format
        raise SuiteError(f"the sheet cannot be written to {out} ({error}).") from None
    print(f"{out}: {sheet.width} x {sheet.height} px")


def _opened(dataset: str, format: str | None, options: list[str]) -> "Data":
    from skipbench.bench.data import DATASETS, open_data

    if dataset in DATASETS and format is None and not Path(dataset).is_dir():
        return open_data(dataset, **_read(options))
    return _source(Path(dataset), format, options)[1].open()


def _source(folder: Path, format: str | None, options: list[str]) -> "tuple[str, FileSource]":
    """Return the name of the folder's format and what reads it. Raises BenchError."""
    from skipbench.bench.data import DATASETS, FileSource, recognise

    name = format or recognise(folder)
    kind = DATASETS[name]
    if not issubclass(kind, FileSource):
        raise SuiteError(f"--format is '{name}', which is not read from files.")
    return name, parse(kind, {"root": folder, **_read(options)}, place="data")


def _read(options: list[str]) -> dict[str, Any]:
    """Return the options of a dataset; in a run they are called "data.<name>", which is understood here too."""
    return assigned([option.removeprefix("data.") for option in options], EXAMPLE)


def _print_survey(name: str, survey: "Survey") -> None:
    from skipbench.bench.data.base import SPLITS

    print(f"format: {name}")
    if survey.data is None:
        return
    _print_info(survey.data.info)
    for kind, tallies in survey.tallies.items():
        counts = {each: {split: f"{count[split]:,}" for split in SPLITS} for each, count in tallies.items()}
        print_table([{kind: name, **row} for name, row in counts.items()])


def _print_info(info: "DataInfo") -> None:
    print("images: " + ", ".join(f"{count:,} {split}" for split, count in info.counts.items()))
    for annotation in info.annotations:
        if annotation.names:
            print(f"{annotation.names_are}: {', '.join(annotation.names)}")
    for note in info.notes:
        print(f"note: {note}")


def _watched(facts: Iterable[Any], count: int) -> Iterator[Any]:
    """Yield `facts` and show, once it has taken a while, how many of `count` are done and the time left."""
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    task = bars.add_task("", total=count)
    began = monotonic()
    try:
        for fact in facts:
            if monotonic() - began > _PATIENCE_S:
                bars.start()
            yield fact
            bars.advance(task)
    finally:
        bars.stop()
