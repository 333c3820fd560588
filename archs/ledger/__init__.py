"""What a network costs, counted on what runs: multiply-accumulates, element-wise operations, bytes, live memory."""

from skipbench.archs.ledger import elementwise, products
from skipbench.archs.ledger.count import Device, Ledger, count, on_a_copy, training_peak
from skipbench.archs.ledger.work import KINDS, Kind, Rule, Work, register_cost

__all__ = [  # the two modules are here because importing them fills the table
    "KINDS",
    "Device",
    "Kind",
    "Ledger",
    "Rule",
    "Work",
    "count",
    "elementwise",
    "on_a_copy",
    "products",
    "register_cost",
    "training_peak",
]
