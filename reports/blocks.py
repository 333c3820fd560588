"""What a page is made of: sections, in them a panel per study, and blocks of sentences, tables and pictures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import pandas as pd
from PIL import Image

from skipbench.bench.files import write_whole
from skipbench.reports.bands import Band
from skipbench.reports.charts import Chart
from skipbench.reports.tables import Table, as_csv

RECORDS = "records.csv"
VECTOR_BYTES = 100_000  # of a drawing that is embedded as it is
LARGEST = (1100, 16_000)  # pixels of an embedded picture, which is shown at 960 at most


@dataclass(frozen=True)
class Picture:
    """A figure as it is embedded; `alt` describes it to those who cannot see it."""

    kind: ClassVar[str] = "picture"
    file: Path
    alt: str
    caption: str
    chart: Chart | None = None  # what a browser draws in its place, to be looked at more closely
    folded: str = ""  # what is written on the page until it is clicked
    bands: Sequence[Band] = ()  # of the arms, which are left out where they are switched off

    @property
    def ident(self) -> str:
        """The anchor of the picture, which no other on the page has."""
        return f"figure-{self.file.stem}-chart" if self.chart else f"picture-{self.file.stem}"

    @property
    def source(self) -> str:
        """The file as a data URI, so that the page needs no other file: a small drawing as it is, else as WebP."""
        if self.file.suffix == ".svg" and self.file.stat().st_size <= VECTOR_BYTES:
            form, content = "svg+xml", self.file.read_bytes()
        else:
            form, content = "webp", _as_webp(self.file.with_suffix(".png"))
        return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


def _as_webp(file: Path) -> bytes:
    """Return a picture at the size at which the page shows it on a fine screen."""
    content = BytesIO()
    with Image.open(file) as image:
        small = image.convert("RGB")
        small.thumbnail(LARGEST)
        small.save(content, "webp", quality=75)
    return content.getvalue()


@dataclass(frozen=True)
class Sentences:
    """Sentences as a list, or as one paragraph where there is only one."""

    kind: ClassVar[str] = "sentences"
    sentences: Sequence[str]
    role: str = ""  # "lead" for the answer itself, "limits" for what cannot be concluded


@dataclass(frozen=True)
class Commands:
    """Lines to paste into a shell."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]


@dataclass(frozen=True)
class Entry:
    """A row of the table of records; `ident` is its address on the page, `arm` its arm's number."""

    ident: str
    arm: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Records:
    """The table of the records behind the numbers; a file beside the page has all of them."""

    kind: ClassVar[str] = "records"
    caption: str
    headings: tuple[str, ...]
    entries: Sequence[Entry]
    frame: pd.DataFrame  # what the file holds

    def write(self, directory: Path, prefix: str = "") -> None:
        """Write the file."""
        write_whole(directory / f"{prefix}{RECORDS}", as_csv(self.frame))


Block = Picture | Table | Sentences | Commands | Records


@dataclass(frozen=True)
class Panel:
    """What a section says of one study; `ident` is its anchor, `study` the study's title."""

    ident: str
    study: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Section:
    """A headed part of the page: what it says of the run, then of each study. `ident` is its anchor."""

    ident: str
    title: str
    blocks: Sequence[Block]
    panels: Sequence[Panel]
