"""Facts from records: tidy tables, intervals, Pareto fronts, paired differences, and what they cannot show."""

from skipbench.analysis.frames import Frames, from_records, load
from skipbench.bench.records.metrics import Metric

__all__ = ["Frames", "Metric", "from_records", "load"]
