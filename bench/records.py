"""What one measurement leaves behind: a flat, versioned record that says everything needed to repeat it.

Imports neither torch nor archs, so that analysis can read records anywhere.
"""

import hashlib
import json
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
SIZES = ("small", "medium", "large")  # of objects and figures, against a dataset's two limits
PARTS = ("encoder", "lateral", "fusion", "decoder", "head")

Kind = Literal["cost", "latency", "train"]
Status = Literal["ok", "failed"]


def content_hash(content: Any) -> str:
    """Return 16 hex digits that identify JSON-able `content`, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def utc_now() -> str:
    """Return the current time as ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Cell(BaseModel):
    """One point of a suite's grid: what is to be measured, before it is measured.

    `determines` holds everything that determines the result (resolved spec, recipe, data
    fingerprint, seed, measuring options) and nothing else; its hash is the cell's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    arm: str  # what is compared, as shown to people: "unet / add"
    model: str  # registered architecture: "unet"
    fusion: str
    encoder: str
    task: str  # "segmentation"
    dataset: str  # "scenes", or the folder's name
    seed: int | None = None  # None where the measurement draws nothing at random
    spec: dict[str, Any]  # the resolved ArchSpec
    determines: dict[str, Any]

    @cached_property
    def cell_id(self) -> str:
        """The content hash of what determines the result."""
        return content_hash({"kind": self.kind, **self.determines})

    @property
    def name(self) -> str:
        """A stable, readable id: "train pose: unet / add, seed 0"."""
        return f"{self.kind} {self.task}: {self.arm}" + ("" if self.seed is None else f", seed {self.seed}")


class RunRecord(Cell):
    """A cell and its outcome. A missing number is absent from `values`, never zero.

    `values` keys, fractions between 0 and 1 unless their unit is said:
    - cost: "params/total", "params/<part>", "params/trainable", "buffers/total", "macs/total",
      "macs/<part>", "activations/total", "activations/<part>", "flops/total";
    - latency: "latency_ms/median|p10|p90|low|high", "throughput/images_per_s";
    - train: "test/<score>" and "val/<score>" (of the best state), "val/best_at_images", "train/images",
      "train/seconds", "train/images_per_s", "train/busy_share", "train/loss_last".
    <score> is, by task,
    - segmentation: "miou", "dice", "boundary_f", each also per class ("iou/<class>", "dice/<class>",
      "boundary_f/<class>"), "miou_by_size/small|medium|large";
    - pose: "pck@0.05", "pck@0.1", "pck@0.2", "error_px" (px), "pck@0.1/<joint>",
      "pck@0.1_by_visibility/visible|occluded", "error_px_by_visibility/visible|occluded" (px),
      "pck@0.1_by_size/small|medium|large", "oks_ap", "oks_ap50", "oks_ap75";
    - detection: "ap", "ap50", "ap75", "ar100", "ar1000", "ap/<class>", "ap_by_size/small|medium|large",
      "ar_by_size/small|medium|large", "ar1000_by_size/small|medium|large".
    """

    schema_version: int = SCHEMA_VERSION
    status: Status
    reason: str | None = None  # why it failed; None where it did not
    values: dict[str, float] = Field(default_factory=dict)
    samples: list[float] = Field(default_factory=list)  # raw latency_ms of each forward, in order
    notes: list[str] = Field(default_factory=list)  # e.g. operators that a counter left out
    settings: dict[str, Any] = Field(default_factory=dict)  # threads, batch, size, precision, recipe ...
    artifacts: dict[str, str] = Field(default_factory=dict)  # role -> path inside the run folder
    environment: dict[str, Any] = Field(default_factory=dict)  # commit, dirty, versions, CPU/GPU, threads
    data_fingerprint: str | None = None
    seconds: float | None = None  # wall time of the measurement
    created_at: str = Field(default_factory=utc_now)
