"""Suites: what is compared, as YAML, and the plan of cells that it comes to. Importing this brings no torch."""

from skipbench.bench.suites.reading import list_suites, load_suite, shared_by, write_suite
from skipbench.bench.suites.schema import ArmEntry, DataSection, Study, Suite, TaskSection, Variant

__all__ = [
    "ArmEntry",
    "DataSection",
    "Study",
    "Suite",
    "TaskSection",
    "Variant",
    "list_suites",
    "load_suite",
    "shared_by",
    "write_suite",
]
