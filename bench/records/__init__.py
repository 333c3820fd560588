"""The torch-free floor: what one measurement leaves, what its values mean, and the run folder that keeps them."""

from skipbench.bench.records.record import (
    PARTS,
    SCHEMA_VERSION,
    SIZES,
    WEIGHTS,
    Block,
    Cell,
    Outcome,
    RunRecord,
    content_hash,
    utc_now,
)

__all__ = [
    "PARTS",
    "SCHEMA_VERSION",
    "SIZES",
    "WEIGHTS",
    "Block",
    "Cell",
    "Outcome",
    "RunRecord",
    "content_hash",
    "utc_now",
]
