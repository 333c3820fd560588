"""The contracts of a network's parts, for the tests of whoever writes one:

from skipbench.archs.testing import check_fusion

def test_my_fusion():
    for finding in check_fusion(MyFusion):
        assert finding.ok, finding.message
"""

from skipbench.archs.testing.cases import BrokenContractError, Case, require
from skipbench.archs.testing.checks import CHECKS, Finding, check_fusion, check_part, check_registered, run_check

__all__ = [
    "CHECKS",
    "BrokenContractError",
    "Case",
    "Finding",
    "check_fusion",
    "check_part",
    "check_registered",
    "require",
    "run_check",
]
