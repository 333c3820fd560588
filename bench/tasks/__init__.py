"""Tasks: what a network is trained for and scored on. Each is one module here, registered by name."""

from bench.tasks import detection, pose, segmentation  # noqa: F401  (importing a task's module registers it)
from bench.tasks.base import TASKS, Metrics, Options, Task, TaskError, create_task, register_task

__all__ = ["TASKS", "Metrics", "Options", "Task", "TaskError", "create_task", "register_task"]
