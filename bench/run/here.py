"""Sessions in this process, one after the other: for a debugger, and where no other process can be started."""

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial

from skipbench.bench.advance import KEEP_EVERY_S, Advance
from skipbench.bench.attempt import Failure
from skipbench.bench.run.session import Ended, Session, States, Watch, prepared
from skipbench.bench.suites.plan import Plan


class Here:
    """Measures in this process; what ends it ends the run. With `debug`, it prints where a cell fails."""

    jobs = 1

    def __init__(self, debug: bool = False, keep_every_s: float = KEEP_EVERY_S) -> None:
        self._debug, self._keep_every_s = debug, keep_every_s

    def run(self, plan: Plan, sessions: Iterable[Session], states: States, watch: Watch) -> Iterator[Ended]:
        """Measure one session after the other."""
        for session in prepared(sessions):
            start, show = time.perf_counter(), watch.begin(session)
            advance = Advance(show, partial(states.keep, session), states.of(session), self._keep_every_s)
            outcomes = session.measure(plan, advance)
            for outcome in outcomes.values() if self._debug else ():
                if isinstance(outcome, Failure):
                    print(outcome.trace, file=sys.stderr)
            yield Ended(session, outcomes, time.perf_counter() - start)
