"""Findings as a table: a row for each claim in each study and context."""

from collections.abc import Sequence

import pandas as pd

from skipbench.analysis.claims.verdicts import Finding

COLUMNS = ("claim", "hypothesis", "source", "note", "study", "arms", "verdict", "found", "seeds_needed")


def verdict_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return the findings in words: COLUMNS, of which `seeds_needed` is a number or NaN."""
    rows = [
        {
            "claim": finding.claim.title,
            "hypothesis": finding.claim.hypothesis,
            "source": finding.claim.source,
            "note": finding.claim.note,
            "study": finding.study,
            "arms": finding.shared,
            "verdict": finding.verdict,
            "found": " ".join(part.sentence for part in finding.parts),
            "seeds_needed": finding.seeds_needed,
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
