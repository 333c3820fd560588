"""Training: one recipe for every network and task."""

from skipbench.bench.training.evaluation import TrainingError
from skipbench.bench.training.outcome import train
from skipbench.bench.training.recipe import Recipe

__all__ = ["Recipe", "TrainingError", "train"]
