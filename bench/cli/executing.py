"""How a command measures its cells, as its options say."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from skipbench.bench.errors import SuiteError
from skipbench.bench.run.program import Program
from skipbench.bench.suites import Suite

if TYPE_CHECKING:
    from skipbench.bench.run.session import Executor


class Executing:
    """Where cells are measured, and how many at once.

    `times` are the seconds of silence after which a cell has failed, and those between its states.
    Raises SuiteError for options that don't go together.
    """

    def __init__(
        self, jobs: str, times: tuple[float, float], executor: str, address: str | None, debug: bool
    ) -> None:
        if jobs != "auto" and not (jobs.isdecimal() and len(jobs) < 5):
            raise SuiteError(f"--jobs is '{jobs}', expected a number, or auto.")
        if executor not in ("local", "ray"):
            raise SuiteError(f"--executor is '{executor}', expected local or ray.")
        if address and executor != "ray":
            raise SuiteError(f"--address {address} is of a Ray cluster: add --executor ray.")
        if executor == "ray" and find_spec("ray") is None:
            raise SuiteError("--executor ray needs Ray: pip install 'skipbench[ray]'.")
        self._jobs, self._times, self._address, self._debug = jobs, times, address, debug
        self._on_ray, self._here = executor == "ray", debug or jobs == "0"
        self._program: Program | None = None

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Begin the process that is to start cells, if there is to be one; it has ended after the block."""
        self._program = None if self._on_ray or self._here else Program()
        try:
            yield
        finally:
            if self._program is not None:
                self._program.kill()

    @contextmanager
    def of(self, suite: Suite, directory: Path) -> Iterator["Executor"]:
        """Yield who measures the cells; within the block torch has the threads of a cell that states none."""
        from skipbench.bench.run.here import Here
        from skipbench.bench.run.jobs import settled_threads, share_out
        from skipbench.bench.run.workers import Workers
        from skipbench.bench.training.machine import use_threads

        if self._on_ray:
            from skipbench.bench.run.on_ray import OnRay

            with use_threads(settled_threads(suite, directory) or 1):
                yield OnRay(self._address, *self._times)
        elif self._here:
            yield Here(self._debug, self._times[1])
        else:
            share = share_out(suite, None if self._jobs == "auto" else int(self._jobs), directory)
            print(share)
            with use_threads(share.threads):
                yield Workers(share.jobs, *self._times, share.gpus, self._program)
