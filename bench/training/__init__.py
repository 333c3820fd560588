"""Training: one recipe for every network and task."""

from skipbench.bench.training.recipe import Recipe
from skipbench.bench.training.trainer import TrainingError, train

__all__ = ["Recipe", "TrainingError", "train"]
