"""What is measured: what each value is called, in which unit it is shown, whether more is better.

Imports no torch, so that a run can keep the declarations of its values and analysis can read them anywhere.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from string import Template
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

Better = Literal["higher", "lower"]
Split = Literal["test", "val", "halfway"]  # the last: the test split, as half of a network's stacks predict it
_SPLIT_WORDS = {"test": "", "val": "Validation", "halfway": "Halfway"}


@dataclass(frozen=True)
class Breakdown:
    """A score of one group of objects, joints or pixels at a time; its keys are `prefix` and the group."""

    name: str  # what tells the groups apart: "object size"
    prefix: str  # "miou_by_size/"
    groups: tuple[str, ...] = ()  # in the order in which they are shown; () for those that the data name
    rule: str = ""  # what says which group something belongs to, as the start of a sentence
    contrast: str = ""  # what its two groups are of ("joints"), where their difference is reported too

    def __post_init__(self) -> None:
        if self.contrast and len(self.groups) != 2:
            raise ValueError(f"a contrast needs two groups; {self.prefix} has {len(self.groups)}")

    def holds(self, key: str) -> bool:
        """Return whether `key` is that of one of its groups."""
        group = key.removeprefix(self.prefix)
        return key.startswith(self.prefix) and group in (self.groups or (group,))


@dataclass(frozen=True)
class Metric:
    """One measured value. `key` is its name in a record, `scale` turns the recorded number into `unit`.

    A task declares a score under its bare key ("miou"); records hold it once per split, see `on`.
    """

    key: str
    label: str
    unit: str = ""
    better: Better | None = None  # None where neither direction is better
    scale: Annotated[float, Field(gt=0, lt=1e12)] = 1.0
    digits: Annotated[int, Field(ge=0, le=12)] = 1  # decimals shown
    by: tuple[Breakdown, ...] = ()  # the same score, one group at a time
    counted: bool = False  # by rules per operator: where an operator has none, the value is a lower bound
    least: float | None = None  # that a recorded number can be, and the most; None without such a limit
    most: float | None = None
    rule: str = ""  # how it is measured, a sentence; "$name" stands for the fact of that name about the data

    def __post_init__(self) -> None:
        Template(self.rule).substitute(defaultdict(str))  # raises ValueError for a "$" that begins no name

    @property
    def title(self) -> str:
        """The label with its unit, as on an axis: "mIoU (%)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def validation_key(self) -> str:
        """The key of a test score's value on the validation split."""
        return self.key.replace("test/", "val/", 1)

    @property
    def sign(self) -> int:
        """1 where a higher value is better, -1 where a lower one is: value * sign grows with quality."""
        return -1 if self.better == "lower" else 1

    def on(self, split: Split) -> "Metric":
        """Return a task's score as records hold it of a split: "val/miou"."""
        by = tuple(replace(breakdown, prefix=f"{split}/{breakdown.prefix}") for breakdown in self.by)
        label = f"{_SPLIT_WORDS[split]} {self.label}".lstrip()
        return replace(self, key=f"{split}/{self.key}", label=label, by=by)

    def holds(self, key: str) -> bool:
        """Return whether `key` is its own or that of a group of one of its breakdowns."""
        return key == self.key or any(by.holds(key) for by in self.by)

    def overlaps(self, other: "Metric") -> bool:
        """Return whether one key may be both this metric's and the other's."""
        mine, theirs = ({metric.key, *(by.prefix for by in metric.by)} for metric in (self, other))
        return bool(mine & theirs) or any(map(self.holds, theirs)) or any(map(other.holds, mine))

    def within(self, value: float) -> bool:
        """Return whether a recorded `value` is in the declared range."""
        return not (
            (self.least is not None and value < self.least) or (self.most is not None and value > self.most)
        )

    def show(self, value: float, signed: bool = False) -> str:
        """Return a recorded `value` as people read it, without the unit; "–" where it is missing."""
        if math.isnan(value):
            return "–"
        number = f"{value * self.scale:{'+' if signed else ''},.{self.digits}f}"
        return number.replace("-", "\N{MINUS SIGN}")

    def show_unit(self, value: float, signed: bool = False) -> str:
        """Return `show` with the unit; a signed percentage is a difference, hence in points."""
        unit = "points" if signed and self.unit == "%" else self.unit
        return f"{self.show(value, signed)} {unit}".rstrip()


class Measured(NamedTuple):
    """What one kind of measurement can leave of an arm, and whether it is repeated with each seed."""

    metrics: tuple[Metric, ...]
    seeded: bool = False


Declared = Mapping[tuple[str, str], Iterable[Metric]]  # of each study (task, dataset) what its records can hold
_DECLARED = TypeAdapter(list[tuple[str, str, tuple[Metric, ...]]])


def to_json(declared: Declared) -> str:
    """Return the declarations of a run's studies as JSON, for the run to keep."""
    rows = [(*study, tuple(metrics)) for study, metrics in declared.items()]
    return _DECLARED.dump_json(rows, exclude_defaults=True).decode()


def from_json(content: str | bytes) -> dict[tuple[str, str], tuple[Metric, ...]]:
    """Return the declarations that `to_json` wrote. Raises pydantic.ValidationError, a ValueError."""
    return {(task, dataset): metrics for task, dataset, metrics in _DECLARED.validate_json(content)}


def percentage(key: str, label: str, *by: Breakdown, rule: str = "") -> Metric:
    """Return a score between 0 and 1, shown in percent, of which more is better."""
    return Metric(key, label, "%", "higher", scale=100, by=by, least=0, most=1, rule=rule)
