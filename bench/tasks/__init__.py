"""Tasks: what a network is trained for and scored on. Each is one module here, registered by name."""

from skipbench.bench.tasks import detection, pose, segmentation  # noqa: F401  (importing a task's module registers it)
from skipbench.bench.tasks.base import (
    METRICS,
    TASKS,
    Metrics,
    Options,
    Scorer,
    Task,
    TaskError,
    create_task,
    list_metrics,
    plugged_metrics,
    register_metric,
    register_task,
)

__all__ = [
    "METRICS",
    "TASKS",
    "Metrics",
    "Options",
    "Scorer",
    "Task",
    "TaskError",
    "create_task",
    "list_metrics",
    "plugged_metrics",
    "register_metric",
    "register_task",
]
