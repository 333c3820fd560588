"""Sessions of several cells that died: each cell is tried apart, and the others are measured without the guilty."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from skipbench.bench.attempt import Failure
from skipbench.bench.run.session import Ended, Session


@dataclass
class _Inquiry:
    """Which cells a session has died of."""

    ended: Ended
    left: int  # of its cells that have not been tried
    guilty: dict[str, Any] = field(default_factory=dict)


class Inquiries:
    """Looks at each session that is over, and says what follows."""

    def __init__(self) -> None:
        self._open: dict[str, _Inquiry] = {}  # by the cell that is tried

    def judge(self, ended: Ended, again: list[Session]) -> Iterator[Ended]:
        """Yield what is over for good; add to `again` the sessions that are to be measured now, if any."""
        session = ended.session
        if session.rehearsal:
            inquiry = self._open.pop(session.key)
            inquiry.guilty |= ended.outcomes
            inquiry.left -= 1
            if not inquiry.left:
                yield from _closed(inquiry, again)
        elif len(session.cells) > 1 and _died(ended.outcomes):
            inquiry = _Inquiry(ended, len(session.cells))
            for cell in session.cells:
                self._open[cell.cell_id] = inquiry
                again.append(replace(session, cells=[cell], lacking=frozenset({cell.cell_id}), rehearsal=True))
        else:
            yield ended


def _closed(inquiry: _Inquiry, again: list[Session]) -> Iterator[Ended]:
    """Yield the failure of the guilty, and let the others be measured; if none is guilty, all have failed."""
    session, guilty = inquiry.ended.session, inquiry.guilty
    if not guilty:
        yield inquiry.ended
        return
    innocent = [cell for cell in session.cells if cell.cell_id not in guilty]
    failed, lacking = session.lacking & guilty.keys(), session.lacking - guilty.keys()
    if failed:
        cells = [cell for cell in session.cells if cell.cell_id in failed]
        failures = {cell_id: guilty[cell_id] for cell_id in failed}
        yield Ended(replace(session, cells=cells, lacking=failed), failures, inquiry.ended.seconds)
    if lacking:
        again.append(replace(session, cells=innocent, lacking=lacking))


def _died(outcomes: Mapping[str, Any]) -> bool:
    return any(isinstance(outcome, Failure) and outcome.died for outcome in outcomes.values())
