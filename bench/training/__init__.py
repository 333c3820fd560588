"""Training: one recipe for every network and task."""

from skipbench.bench.training.evaluation import TrainingError
from skipbench.bench.training.outcome import images_per_s, train
from skipbench.bench.training.recipe import Recipe

__all__ = ["Recipe", "TrainingError", "images_per_s", "train"]
