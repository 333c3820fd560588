"""Which trained networks a run keeps: those of the best seed of each arm, of every cell, or none."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from skipbench.bench.records import WEIGHTS, Cell, Outcome, RunRecord
from skipbench.bench.records.metrics import Metric
from skipbench.bench.records.store import RunWriter


class Keeping:
    """Decides it by the suite's `keep`; the best of an arm is that with the best headline score on validation.

    Of equal ones the lowest seed's is kept, in whichever order the cells end.
    """

    def __init__(self, keep: str, headlines: Mapping[tuple[str, str], Metric]) -> None:
        self._keep, self._headlines = keep, headlines
        self._best: dict[tuple[str, str, str], RunRecord] = {}  # of each arm of a study

    def trimmed(self, cell: Cell, outcome: Outcome) -> Outcome:
        """Return the outcome of a cell without a network that is not kept."""
        best = self._best.get(_arm(cell))
        beaten = self._keep == "best" and best is not None and self._rank(cell, outcome) < self._rank(best, best)
        if self._keep == "none" or beaten:
            return replace(outcome, files={name: file for name, file in outcome.files.items() if name != WEIGHTS})
        return outcome

    def settle(self, run: RunWriter, records: Iterable[RunRecord]) -> None:
        """Take in records that are saved, and drop the networks that are no longer the best of their arm."""
        for record in records:
            if self._keep != "best" or WEIGHTS not in record.artifacts:
                continue
            rivals = [record, *([self._best[_arm(record)]] if _arm(record) in self._best else [])]
            self._best[_arm(record)], *beaten = sorted(rivals, key=lambda one: self._rank(one, one), reverse=True)
            for other in beaten:
                run.drop_artifact(other, WEIGHTS)

    def _rank(self, cell: Cell, measured: Outcome | RunRecord) -> tuple[float, int]:
        headline = self._headlines[cell.task, cell.dataset]
        score = measured.values.get(headline.validation_key, float("-inf"))
        return headline.sign * score, -(cell.seed or 0)


def _arm(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.dataset, cell.arm
