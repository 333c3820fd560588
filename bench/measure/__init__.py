"""What is measured of the arms of a suite; a new measurement is one registered class."""

from skipbench.bench.advance import Advance
from skipbench.bench.data import ANNOTATIONS, DATASETS
from skipbench.bench.measure import cost, latency, training  # noqa: F401  (importing a measurement's module registers it)
from skipbench.bench.measure.base import (
    MEASUREMENTS,
    Arm,
    Forecast,
    Measurement,
    Options,
    StudyPlan,
    measured_metrics,
    measurements,
    register_measurement,
)
from skipbench.bench.predictions import PREDICTIONS
from skipbench.bench.tasks import METRICS, TASKS

# of all that a cell is made of, beside the parts of networks
OWN_REGISTRIES = (DATASETS, ANNOTATIONS, TASKS, METRICS, PREDICTIONS, MEASUREMENTS)

__all__ = [
    "MEASUREMENTS",
    "OWN_REGISTRIES",
    "Advance",
    "Arm",
    "Forecast",
    "Measurement",
    "Options",
    "StudyPlan",
    "measured_metrics",
    "measurements",
    "register_measurement",
]
