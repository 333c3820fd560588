"""What datasets on disk share: their entries, the check before anything starts, and samples decoded on demand."""

from skipbench.bench.data.files.entries import Entry, Found
from skipbench.bench.data.files.source import FileSource, Survey

__all__ = ["Entry", "FileSource", "Found", "Survey"]
