"""What is measured: how each value is called, in which unit it is shown, which way is up.

Imports no torch, so that a run can keep the declarations of its values and analysis can read them anywhere.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from string import Template
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from bench.records import PARTS, WORK_KINDS

Better = Literal["higher", "lower"]
Split = Literal["test", "val"]


@dataclass(frozen=True)
class Breakdown:
    """A score of one group of objects, joints or pixels at a time; its keys are `prefix` and the group."""

    name: str  # what tells the groups apart: "object size"
    prefix: str  # "miou_by_size/"
    groups: tuple[str, ...] = ()  # in the order in which they are shown; () for those that the data name
    rule: str = ""  # what says which group something belongs to, as the start of a sentence
    contrast: str = ""  # what its two groups are of ("joints"), where the difference of the two is told too

    def __post_init__(self) -> None:
        if self.contrast and len(self.groups) != 2:
            raise ValueError(f"a contrast is one of two groups; {self.prefix} has {len(self.groups)}")

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
    rule: str = ""  # how it is measured, a sentence; "$name" stands for what the data's facts say under that name

    def __post_init__(self) -> None:
        Template(self.rule).substitute(defaultdict(str))  # raises ValueError for a "$" that begins no name

    @property
    def title(self) -> str:
        """The label with its unit, as on an axis: "mIoU (%)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def sign(self) -> int:
        """1 where a higher value is better, -1 where a lower one is: value * sign grows with quality."""
        return -1 if self.better == "lower" else 1

    def on(self, split: Split) -> "Metric":
        """Return a task's score as records hold it of the test or the validation split: "val/miou"."""
        by = tuple(replace(each, prefix=f"{split}/{each.prefix}") for each in self.by)
        label = f"Validation {self.label}" if split == "val" else self.label
        return replace(self, key=f"{split}/{self.key}", label=label, by=by)

    def holds(self, key: str) -> bool:
        """Return whether `key` is its own or that of a group of one of its breakdowns."""
        return key == self.key or any(by.holds(key) for by in self.by)

    def overlaps(self, other: "Metric") -> bool:
        """Return whether one key may be both this metric's and the other's."""
        mine, theirs = ({each.key, *(by.prefix for by in each.by)} for each in (self, other))
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


_COUNTS = (  # key, label, unit, scale, whether rules per operator give it
    ("params", "Parameters", "M", 1e-6, False),
    ("macs", "MACs", "G", 1e-9, True),
    ("activations", "Activations", "M", 1e-6, True),
    ("bytes", "Bytes moved", "MB", 1e-6, False),
)

MEASURED = (  # beside a task's scores
    *(
        Metric(
            f"{key}/{part}",
            label if part == "total" else f"{label}: {part}",
            unit,
            "lower",
            scale,
            3,
            counted=counted,
        )
        for key, label, unit, scale, counted in _COUNTS
        for part in ("total", *PARTS)
    ),
    *(
        Metric(
            f"elementwise/{kind}",
            "Element-wise operations" if kind == "total" else f"Element-wise: {kind}",
            "M",
            "lower",
            1e-6,
            3,
            counted=True,
        )
        for kind in ("total", *WORK_KINDS)
    ),
    Metric("peak_bytes/inference", "Peak of activations, inference", "MB", "lower", 1e-6),
    Metric("peak_bytes/training", "Peak of activations, training", "MB", "lower", 1e-6),
    Metric("operators/unruled", "Calls without a rule", "", "lower", digits=0),
    Metric("macs/per_byte", "MACs per byte", counted=True),
    Metric("machine/balance", "MACs per byte"),
    Metric("machine/macs_per_s", "The machine's MACs", "G/s", scale=1e-9),
    Metric("machine/bytes_per_s", "The machine's memory", "GB/s", scale=1e-9),
    Metric("params/trainable", "Trainable", "M", "lower", 1e-6, 3),
    Metric("buffers/total", "Buffers", "M", "lower", 1e-6, 3),
    Metric("flops/total", "FLOPs", "G", "lower", 1e-9, 3, counted=True),
    Metric("latency_ms/median", "Median latency", "ms", "lower", digits=2),
    Metric("latency_ms/low", "95 % low", "ms", "lower", digits=2),
    Metric("latency_ms/high", "95 % high", "ms", "lower", digits=2),
    Metric("latency_ms/p10", "p10", "ms", "lower", digits=2),
    Metric("latency_ms/p90", "p90", "ms", "lower", digits=2),
    Metric("throughput/images_per_s", "Throughput", "images/s", "higher"),
    Metric("error/to_eager", "Error to eager", "", "lower", digits=6),
    Metric("val/best_at_images", "Best at image", digits=0),
    Metric("train/images", "Images seen", digits=0),
    Metric("train/seconds", "Training time", "s", "lower"),
    Metric("train/images_per_s", "Training speed", "images/s", "higher"),
    Metric("train/busy_share", "Busy share", "%", "higher", scale=100),
    Metric("train/loss_last", "Last loss", "", "lower", digits=3),
    Metric("train/clipped_share", "Steps clipped", "%", scale=100),
    Metric("start/loss", "First loss", digits=3),
    Metric("start/loss_over_chance", "First loss over chance", digits=2),
    Metric("start/signal_rms", "Decoder's signal at the start", digits=2),
    Metric("start/gradient_norm", "Gradient norm at the start", digits=2),
    Metric("start/decoder_gradient_norm", "Decoder's gradient norm at the start", digits=2),
)
