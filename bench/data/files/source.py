"""A dataset that lies on disk: found by its format, checked as a whole, opened as splits of samples."""

import itertools
import re
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, field_validator

from skipbench.bench.data.base import DATASETS, SPLITS, Data, DataInfo, DataSource
from skipbench.bench.data.files.entries import Entry, Found, Splits, divide
from skipbench.bench.data.files.folds import cross_validation, divided_groups, folded, grouping, groups_of, singly
from skipbench.bench.data.files.locating import no_folder
from skipbench.bench.data.files.preflight import Examined, Opening, Watch, digest, examine, unwatched
from skipbench.bench.data.files.sampling import samples_of
from skipbench.bench.data.files.seeing import Seeing
from skipbench.bench.data.files.tallies import (
    Tallies,
    bare_note,
    bare_splits,
    case_notes,
    facts_of,
    tally,
    unlearnt_notes,
)
from skipbench.bench.data.findings import Problem
from skipbench.bench.data.pictures.scaling import Range
from skipbench.bench.data.windows import Resize
from skipbench.bench.errors import DataError, SuiteError
from skipbench.bench.records import content_hash
from skipbench.bench.validation import LATER, determining
from skipbench.errors import unknown_name

T = TypeVar("T")
READING = 3  # raised where the same files come to give other samples
SCORING = 1  # and this where images are scored in their own pixels in another way
Pixels = Annotated[int, Field(ge=1)]
Chosen = Annotated[  # one or several of some words; sorted where they are hashed
    frozenset[T],
    Field(min_length=1),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    PlainSerializer(sorted),
]


@dataclass(frozen=True)
class Survey:
    """What a dataset's folder holds, and every reason why it cannot be used."""

    data: Data | None  # of all that can be used; None where that makes no dataset
    problems: list[Problem]
    tallies: Tallies = field(default_factory=dict)
    refusal: str = ""  # why the dataset cannot be opened, "" where it can: without what is wrong


class FileSource(DataSource):
    """Where a dataset lies and at which size a network sees its images, whatever size they have.

    By `resize`: "stretch", all are resized to `size`, whatever their aspect; "fit", they keep it and are padded;
    "crop", they keep their resolution, and windows of `size` are seen.
    """

    layout: ClassVar[str] = ""  # what is expected in the folder; "" for a dataset that is known by its name only
    known_as: ClassVar[str] = ""  # the name of such a dataset; "" for one that is called like its folder
    yields_to: ClassVar[tuple[str, ...]] = ()  # formats that a folder is in rather, where it fits both
    split_files: ClassVar[str] = ""  # what provides a split, "{split}" standing for its name

    root: Annotated[Path, AfterValidator(Path.expanduser)]
    size: tuple[Pixels, Pixels] = (96, 96)  # (H, W)
    resize: Annotated[Resize, LATER] = "stretch"
    overlap: Annotated[Annotated[float, Field(ge=0, lt=1)], LATER] = 0.25  # of windows that an image is scored in
    own_pixels: Annotated[bool, LATER] = False  # score stretched images at their own sizes, as the others are
    mirror: tuple[tuple[str, str], ...] = ()  # names that change places in a mirror, where they don't tell so
    drop: Annotated[float, Field(ge=0, le=1)] = 0.1  # the share of images that may be left out as they are unusable
    upright: bool | None = None  # turn photographs as their EXIF orientation says; None: as they were annotated
    channels: Annotated[int, Field(ge=1)] | None = None  # of images; None: 3, or as many bands as all of them have
    range: Range = "auto"  # what is scaled to 0 and 255: by the numbers that occur, of their type, of each image
    huge: bool = False  # read images above Pillow's limit of pixels
    folds: Annotated[Annotated[int, Field(ge=3)] | None, LATER] = None  # of a cross-validation over all images
    group: Annotated[str | None, LATER] = None  # what stays in one split: "folder", or a pattern of images' paths

    @field_validator("group")
    @classmethod
    def _is_pattern(cls, group: str | None) -> str | None:
        try:
            re.compile(group or "")
        except re.error as error:
            raise ValueError(f"'{group}' is neither 'folder' nor a regular expression ({error}).") from None
        return group

    @property
    def place(self) -> Path:
        """The folder that has the layout."""
        return self.root

    @property
    def opening(self) -> Opening:
        """How images are opened."""
        return Opening(self.upright, self.channels, self.range, self.huge)

    @property
    def seeing(self) -> Seeing:
        """What of images is seen, and where they are scored."""
        return Seeing(self.resize, self.size, self.overlap, self.own_pixels)

    @property
    def title(self) -> str:
        """What the dataset is called."""
        return self.known_as or self.place.resolve().name

    @classmethod
    @abstractmethod
    def missing(cls, root: Path) -> str:
        """Return what the folder `root` lacks to be in this format ("folder images/"), "" for nothing."""

    @abstractmethod
    def find(self) -> Found:
        """Return what lies in the folder, which has the layout; no image is decoded yet."""

    def lacks(self) -> str:
        """Return what its folder lacks, by its options too, "" for nothing."""
        return self.missing(self.place)

    def _other(self) -> str:
        """Return why the folder cannot be read, and as what it can, "" where it has the layout."""
        expected = f"; expected {self.layout}" if self.layout else ""
        if not self.place.is_dir():
            return f"{no_folder(self.place)}{expected}"
        if not (lacking := self.lacks()):
            return ""
        others = fitting(self.place) if self.layout and self.missing(self.place) else []
        read = f"; as {' or '.join(others)} it can be read" if others else ""
        return f"it contains no {lacking}{expected}{read}"

    def survey(self, watch: Watch = unwatched) -> Survey:
        """Decode every file once and return what there is and all that is wrong; `watch` shows the progress."""
        if other := self._other():
            return self._refused([Problem("", other)])
        found = self.find()
        checked = examine(found, self.place, self.opening, watch)
        problems = [*checked.problems, *checked.left_out]
        try:
            folds, notes = self._divided([facts.entry for facts in checked.facts])
        except DataError as error:
            return self._refused(problems or [Problem("", str(error).rstrip("."))])
        splits = folds[0]
        data = self._data(found, checked, folds, notes)
        total = len(checked.facts) + len(checked.left_out)
        too_many = ""
        if len(checked.left_out) > self.drop * total:
            count = f"{len(checked.left_out):,} of {total:,} images cannot be used"
            too_many = f"{count}, more than data.drop={self.drop:g} allows"
        refusal = self._refused(problems, too_many).refusal if checked.problems or too_many else ""
        return Survey(data, problems, tally(splits, checked), refusal)

    def _divided(self, entries: list[Entry]) -> tuple[list[Splits], list[str]]:
        """Return the splits, those of each fold of a cross-validation, and notes. Raises DataError."""
        of = grouping(self.group, self.place) if self.group else None
        if self.folds:
            return folded(entries, self.folds, of or singly(entries), grouped=of is not None)
        if of is None:
            splits, notes = divide(entries, self.split_files)
            return [splits], notes
        splits, notes = divide(entries, self.split_files, partial(groups_of, of=of))
        return [splits], [*notes, *divided_groups(splits, of)]

    def _refused(self, problems: list[Problem], too_many: str = "") -> Survey:
        more = len(problems) - 1
        rest = f"; `skipbench data check` lists {more} more problem(s)" if more else ""
        rest += f"; {too_many}" if too_many else ""
        return Survey(None, problems, refusal=f"data folder {self.place}: {problems[0]}{rest}.")

    def open(self) -> Data:
        """Decode every file once and return the data. Raises DataError, which names the first wrong file."""
        survey = self.survey()
        if survey.data is None or survey.refusal:
            raise DataError(survey.refusal)
        return survey.data

    def remarks(self, checked: Examined) -> list[str]:
        """Return what only the format can say of all the files."""
        return []

    def _data(self, found: Found, checked: Examined, folds: list[Splits], notes: list[str]) -> Data:
        self._require_known([annotation.names for annotation in checked.annotations])
        annotations = tuple(
            replace(annotation, mirror=self.mirror or annotation.mirror) for annotation in checked.annotations
        )
        cases = [note for annotation in annotations for note in case_notes(annotation.names)]
        sides = (note for annotation in annotations for note in annotation.sides.notes(annotation.names_are))
        left_out = self._left_out(checked)
        sizes = [facts.size for facts in checked.facts]
        bare = bare_splits(folds, checked)
        left_out += [bare_note(kind, empty) for kind, empty in bare.items()]
        info = DataInfo(
            name=self.title,
            counts={split: len(folds[0][split]) for split in SPLITS},
            fingerprint=self._fingerprint(found, checked),
            annotations=annotations,
            notes=tuple(
                dict.fromkeys(
                    (
                        *notes,
                        *left_out,
                        *found.notes,
                        *found.counted.notes(),
                        *checked.notes,
                        *self.remarks(checked),
                        *self.seeing.notes(sizes),
                        *unlearnt_notes(folds, checked),
                        *cases,
                        *sides,
                    )
                )
            ),
            bare=bare,
            scaling=checked.scaling,
            opening=self.opening.facts,
            **self.seeing.described(sizes, found.size_limits),
        )
        seen_at = self.resize, self.size
        sampled = partial(
            samples_of, annotations=annotations, checked=checked, opener=self.opening.opener, seen=seen_at
        )
        if not self.folds:
            train, val, test = sampled(facts_of(folds[0], checked))
            return Data(train, val, test, info)
        (whole,) = sampled({"all": checked.facts})
        return cross_validation(whole, info, [facts.entry for facts in checked.facts], folds)

    def _left_out(self, checked: Examined) -> list[str]:
        if not checked.left_out:
            return []
        total, count = len(checked.facts) + len(checked.left_out), len(checked.left_out)
        return [
            f"{count:,} of {total:,} images cannot be used and are left out ({checked.left_out[0]}); `skipbench "
            f"data check` lists them, and data.drop={self.drop:g} is the largest share that may be."
        ]

    def _require_known(self, names: list[tuple[str, ...]]) -> None:
        """Raise SuiteError where `mirror` pairs a name that the data do not have, or not with its like."""
        for name, counterpart in self.mirror:
            if not any({name, counterpart} <= {*of_a_kind} for of_a_kind in names):
                known = dict.fromkeys(itertools.chain(*names))
                unknown = name if name not in known else counterpart
                raise SuiteError("in data.mirror: " + unknown_name("name", unknown, known))

    def _fingerprint(self, found: Found, checked: Examined) -> str:
        """Return a hash of every file's place and content, and of how they are read."""
        files = [[facts.entry.split, facts.entry.name, *facts.digests] for facts in checked.facts]
        annotations = [[path.relative_to(self.place).as_posix(), digest(path)] for path in found.files]
        options = {name: value for name, value in determining(self).items() if name != "root"}
        content = {"files": files, "annotations": annotations, "classes": [(), ()], "options": options}
        if self.seeing.in_own_pixels:
            content["scored"] = SCORING
        for annotation in checked.annotations:
            content |= annotation.reading
        return content_hash({**content, "reading": READING})


def formats() -> dict[str, type[FileSource]]:
    """Return the formats of files, by name."""
    sources = {name: DATASETS[name] for name in DATASETS.names()}
    return {name: source for name, source in sources.items() if issubclass(source, FileSource) and source.layout}


def fitting(root: Path) -> list[str]:
    """Return the formats that a folder is in; of one that yields to another, the other alone."""
    found = {name: source for name, source in formats().items() if not source.missing(root)}
    return [name for name, source in found.items() if not {*source.yields_to} & {*found}]


def missing_folder(root: Path, *names: str) -> str:
    """Return "folder <name>/" of the first of the folders that `root` lacks, "" where all are there."""
    return next((f"folder {name}/" for name in names if not (root / name).is_dir()), "")
