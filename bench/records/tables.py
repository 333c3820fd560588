"""The tables that a cell leaves, each one compressed Parquet file in the run folder."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skipbench.bench.errors import StoreError
from skipbench.display import one_line


def to_parquet(columns: Mapping[str, np.ndarray]) -> bytes:
    """Return columns of numbers or words, (rows,) each, as a Parquet file."""
    file = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), file, compression="zstd")
    return file.getvalue()


def read_table(directory: Path, name: str) -> pa.Table:
    """Return the table in the file `name` of a run folder. Raises StoreError where it cannot be read."""
    try:
        return pq.read_table(pa.BufferReader(inside(directory, name).read_bytes()))
    except Exception as error:  # pyarrow raises whatever a damaged file leads it to
        why = one_line(str(error) or type(error).__name__, 200).rstrip(".")
        raise StoreError(f"{name} of {directory} cannot be read: {why}.") from error


def inside(directory: Path, name: str) -> Path:
    """Return the path of a file of the run folder. Raises ValueError where it lies outside."""
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise ValueError(f"{name} lies outside the run folder")
    return path
