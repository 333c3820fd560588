"""What a page is made of: sections of figures, tables, notes and commands. The template draws them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from reports.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure as it is embedded; `alt` says what it shows to those who don't see it."""

    kind: ClassVar[str] = "picture"
    file: Path
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """The file as a data URI, so that the page needs no other file."""
        form = "svg+xml" if self.file.suffix == ".svg" else "png"
        return f"data:image/{form};base64,{base64.b64encode(self.file.read_bytes()).decode()}"


@dataclass(frozen=True)
class Grid:
    """A table; `folded` ones open on a click."""

    kind: ClassVar[str] = "table"
    table: Table
    folded: bool = False


@dataclass(frozen=True)
class Sentences:
    """Sentences as a list, or as one paragraph where there is only one."""

    kind: ClassVar[str] = "sentences"
    sentences: Sequence[str]


@dataclass(frozen=True)
class Commands:
    """Lines to paste into a shell."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]


Block = Picture | Grid | Sentences | Commands


@dataclass(frozen=True)
class Section:
    """A headed part of the page; `ident` is its anchor."""

    ident: str
    title: str
    blocks: Sequence[Block]
