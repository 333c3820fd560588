"""What networks predict, as a run keeps it and a report shows it: one class per kind. Imports no torch."""

from skipbench.bench.predictions.base import (
    PREDICTIONS,
    Array,
    Layout,
    Prediction,
    Strip,
    read_prediction,
    register_prediction,
)
from skipbench.bench.predictions.boxes import Boxes
from skipbench.bench.predictions.label_maps import LabelMaps
from skipbench.bench.predictions.skeletons import Skeletons

__all__ = [
    "PREDICTIONS",
    "Array",
    "Boxes",
    "LabelMaps",
    "Layout",
    "Prediction",
    "Skeletons",
    "Strip",
    "read_prediction",
    "register_prediction",
]
