"""Statistics of plain numbers, one function per question; docs/statistics.md says what each answer means."""

from skipbench.analysis.statistics.comparison import Comparison, Unit, compare
from skipbench.analysis.statistics.fronts import pareto_front, surely_beaten
from skipbench.analysis.statistics.improvement import paired_improvement, unpaired_improvement
from skipbench.analysis.statistics.intervals import LEVEL, Summary, bca, summarize, t_factor
from skipbench.analysis.statistics.power import seeds_needed
from skipbench.analysis.statistics.significance import (
    MIN_PAIRS,
    equal_p,
    holm,
    paired_t_p,
    permutation_p,
    wilcoxon_p,
)

__all__ = [
    "LEVEL",
    "MIN_PAIRS",
    "Comparison",
    "Summary",
    "Unit",
    "bca",
    "compare",
    "equal_p",
    "holm",
    "paired_improvement",
    "paired_t_p",
    "pareto_front",
    "permutation_p",
    "seeds_needed",
    "summarize",
    "surely_beaten",
    "t_factor",
    "unpaired_improvement",
    "wilcoxon_p",
]
