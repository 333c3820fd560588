"""The contracts of a network's parts, for the tests of their authors:

from skipbench.archs.testing import check_fusion

def test_my_fusion():
    for finding in check_fusion(MyFusion):
        assert finding.ok, finding.message
"""

from skipbench.archs.testing.cases import Case
from skipbench.archs.testing.checks import CHECKS, check_fusion, check_part, check_registered, run_check
from skipbench.archs.testing.homes import Home
from skipbench.contracts import Finding

__all__ = [
    "CHECKS",
    "Case",
    "Finding",
    "Home",
    "check_fusion",
    "check_part",
    "check_registered",
    "run_check",
]
