"""What is measured of the arms of a suite; a new measurement is one registered class."""

from skipbench.bench.advance import Advance
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

__all__ = [
    "MEASUREMENTS",
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
