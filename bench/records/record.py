"""What one measurement leaves behind: a flat, versioned record that says everything needed to repeat it.

Imports neither torch nor archs, so that analysis can read records anywhere.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

# 2: a run declares what its records can hold; 3: any factor may tell arms apart; 4: cells of earlier plans are kept
SCHEMA_VERSION = 4
SIZES = ("small", "medium", "large")  # of objects and people, against a dataset's two limits
WEIGHTS = "best.safetensors"  # the file of a trained network in the state that was tested
PARTS = ("encoder", "lateral", "fusion", "decoder", "head")

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

    `determines` holds everything that determines the result (resolved spec, the measurement's options, data
    fingerprint, seed) and nothing else; its hash is the cell's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str  # the measurement's name: "train"
    arm: str  # what is compared, as shown to people: "unet / fusion=add"
    model: str  # registered architecture: "unet"
    task: str  # "segmentation"
    dataset: str  # "scenes", or the folder's name
    seed: int | None = None  # None where the measurement draws nothing at random
    spec: dict[str, Any]  # the resolved ArchSpec
    varied: dict[str, Any] = Field(
        default_factory=dict
    )  # the options in which the study's arms differ: "recipe.lr"
    determines: dict[str, Any]

    @cached_property
    def cell_id(self) -> str:
        """The content hash of what determines the result."""
        return content_hash({"kind": self.kind, **self.determines})

    @property
    def factors(self) -> dict[str, Any]:
        """Everything that may distinguish the arm from others."""
        return {**self.spec, **self.varied}

    @property
    def name(self) -> str:
        """A stable, readable id: "train pose: unet, seed 0"."""
        return f"{self.kind} {self.task}: {self.arm}" + ("" if self.seed is None else f", seed {self.seed}")


class Block(BaseModel):
    """One network's part in a block: all networks built afresh, then timed in rounds of random order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started_at: str  # the same for all that were timed in turns
    process: int  # which of the session's processes ran it
    positions: list[int]  # of the network within each round, 0 for the first; as many as samples
    calibration_ms: float  # median time of a fixed kernel, run once per round
    others_cores: float | None = None  # cores that other processes and machines kept busy; None: not known here
    frequency_mhz: float | None = None  # mean clock of the cores


@dataclass(frozen=True)
class Outcome:
    """What a measurement leaves of one network; fields that a RunRecord has too mean the same there."""

    values: dict[str, float]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # role -> what its .npz file holds
    tables: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # role -> column -> (rows,)
    files: dict[str, bytes] = field(default_factory=dict)  # name -> content


class RunRecord(Cell):
    """A cell and its outcome. A missing number is absent from `values`, never zero.

    What the keys of `values` mean is declared where they are measured and kept with the run (records/metrics.py);
    a score of the best state is kept there as "test/<score>" and as "val/<score>".
    """

    schema_version: int = SCHEMA_VERSION
    status: Status
    reason: str | None = None  # why it failed; None where it did not
    values: dict[str, float] = Field(default_factory=dict)
    samples: list[float] = Field(default_factory=list)  # raw latency_ms of each forward, in order
    blocks: list[Block] = Field(default_factory=list)  # into which the samples of a latency fall, in order
    notes: list[str] = Field(default_factory=list)  # e.g. operators without a rule for their cost
    settings: dict[str, Any] = Field(default_factory=dict)  # threads, batch, size, precision, recipe ...
    artifacts: dict[str, str] = Field(default_factory=dict)  # role or name -> path inside the run folder
    environment: dict[str, Any] = Field(default_factory=dict)  # commit, dirty, versions, CPU/GPU, threads
    data_fingerprint: str | None = None
    seconds: float | None = None  # wall time of the measurement
    tries: int = 1  # how many times the cell was tried
    died: bool = False  # whether the last try took its process down
    created_at: str = Field(default_factory=utc_now)

    @classmethod
    def of(cls, cell: Cell, **outcome: Any) -> "RunRecord":
        """Return the record of `cell`, whose identity is not hashed again."""
        record = cls(**cell.model_dump(), **outcome)
        record.__dict__["cell_id"] = cell.cell_id
        return record
