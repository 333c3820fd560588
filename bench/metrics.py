"""What is measured: how each value is called, in which unit it is shown, which way is up.

Imports no torch, so that a run can keep the declarations of its values and analysis can read them anywhere.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from bench.records import PARTS, SIZES, WORK_KINDS

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Breakdown:
    """A score of one group of objects, joints or pixels at a time; its keys are `prefix` and the group."""

    name: str  # what tells the groups apart: "object size"
    prefix: str  # "test/miou_by_size/"
    groups: tuple[str, ...] = ()  # in the order in which they are shown; () for those that the data name
    rule: str = ""  # what says which group something belongs to, as the start of a sentence

    @property
    def keys(self) -> dict[str, str]:
        """The key of each group."""
        return {group: f"{self.prefix}{group}" for group in self.groups}


@dataclass(frozen=True)
class Metric:
    """One measured value. `key` is its name in a record, `scale` turns the recorded number into `unit`."""

    key: str
    label: str
    unit: str = ""
    better: Better | None = None  # None where neither direction is better
    scale: float = 1.0
    digits: int = 1  # decimals shown
    by: tuple[Breakdown, ...] = ()  # the same score, one group at a time
    counted: bool = False  # by rules per operator: where an operator has none, the value is a lower bound

    @property
    def title(self) -> str:
        """The label with its unit, as on an axis: "mIoU (%)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def sign(self) -> int:
        """1 where a higher value is better, -1 where a lower one is: value * sign grows with quality."""
        return -1 if self.better == "lower" else 1

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


_LIST = TypeAdapter(tuple[Metric, ...])


def to_json(metrics: Iterable[Metric]) -> str:
    """Return declarations as JSON, for a run to keep."""
    return _LIST.dump_json(tuple(metrics)).decode()


def from_json(content: str | bytes) -> tuple[Metric, ...]:
    """Return the declarations that `to_json` wrote. Raises pydantic.ValidationError, a ValueError."""
    return _LIST.validate_json(content)


VISIBILITY = ("visible", "occluded")
BOX_SIZE = "by the square root of their box's area"
JOINTS = "Visible and occluded joints as they are annotated; one that is not annotated counts nowhere"
FIGURES = "Joints of figures, by the longer side of the box around a figure's joints"


def _score(key: str, label: str, *by: Breakdown) -> Metric:
    return Metric(key, label, "%", "higher", scale=100, by=by)


# The first score of a record that stands here is the one by which arms are ranked and plotted.
SCORES = (
    _score(
        "test/miou",
        "mIoU",
        Breakdown("class", "test/iou/"),
        Breakdown("object size", "test/miou_by_size/", SIZES, f"Mean IoU of single objects, {BOX_SIZE}"),
    ),
    _score("test/dice", "Dice", Breakdown("class", "test/dice/")),
    _score("test/boundary_f", "Boundary F", Breakdown("class", "test/boundary_f/")),
    _score(
        "test/pck@0.1",
        "PCK@.1",
        Breakdown("joint", "test/pck@0.1/"),
        Breakdown("visibility", "test/pck@0.1_by_visibility/", VISIBILITY, JOINTS),
        Breakdown("figure size", "test/pck@0.1_by_size/", SIZES, FIGURES),
    ),
    _score("test/oks_ap", "OKS-AP"),
    _score("test/oks_ap50", "OKS-AP50"),
    _score("test/oks_ap75", "OKS-AP75"),
    _score("test/pck@0.05", "PCK@.05"),
    _score("test/pck@0.2", "PCK@.2"),
    Metric(
        "test/error_px",
        "Error",
        "px",
        "lower",
        digits=2,
        by=(Breakdown("visibility", "test/error_px_by_visibility/", VISIBILITY, JOINTS),),
    ),
    _score(
        "test/ap",
        "AP",
        Breakdown("class", "test/ap/"),
        Breakdown("object size", "test/ap_by_size/", SIZES, f"Objects, {BOX_SIZE}"),
    ),
    _score("test/ap50", "AP50"),
    _score("test/ap75", "AP75"),
    _score("test/ar100", "AR@100", Breakdown("object size", "test/ar_by_size/", SIZES, f"Objects, {BOX_SIZE}")),
    _score(
        "test/ar1000", "AR@1000", Breakdown("object size", "test/ar1000_by_size/", SIZES, f"Objects, {BOX_SIZE}")
    ),
)


def _validation(score: Metric) -> Metric:
    """Return the same score as it is measured on the validation split."""
    key = score.key.replace("test/", "val/", 1)
    return replace(score, key=key, label=f"Validation {score.label}", by=())


_COUNTS = (  # key, label, unit, scale, whether rules per operator give it
    ("params", "Parameters", "M", 1e-6, False),
    ("macs", "MACs", "G", 1e-9, True),
    ("activations", "Activations", "M", 1e-6, True),
    ("bytes", "Bytes moved", "MB", 1e-6, False),
)

METRICS = (
    *SCORES,
    *map(_validation, SCORES),
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

_BY_KEY = {entry.key: entry for entry in METRICS}


def metric(key: str) -> Metric:
    """Return the table's entry for `key`; a value that the table lacks is shown under its own key."""
    return _BY_KEY.get(key, Metric(key, key, digits=3))
