"""Claims as data, and what a run says of them; docs/claims.md has them in words."""

from skipbench.analysis.claims.claim import Claim, Part, published, read_claims
from skipbench.analysis.claims.tables import verdict_table
from skipbench.analysis.claims.verdicts import SCOPE, Finding, Numbers, Tested, find

__all__ = [
    "SCOPE",
    "Claim",
    "Finding",
    "Numbers",
    "Part",
    "Tested",
    "find",
    "published",
    "read_claims",
    "verdict_table",
]
