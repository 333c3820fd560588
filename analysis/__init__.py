"""Facts from records: tidy tables, intervals, Pareto fronts, paired differences, and what they can't show."""

from analysis.frames import Frames, from_records, load
from bench.metrics import Metric

__all__ = ["Frames", "Metric", "from_records", "load"]
