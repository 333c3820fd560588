"""Claims that are computed instead of trained: numbers that follow from networks and their weights alone."""

from skipbench.bench.claims.computed import compute_claims

__all__ = ["compute_claims"]
