"""Sessions as tasks of a Ray cluster: Ray finds each a machine with room, and another one where that dies.

Records come back to the one process that writes them. Data and plug-ins lie under the same paths on all machines.
"""

import logging
import pickle
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from skipbench.bench.advance import KEEP_EVERY_S, Advance
from skipbench.bench.attempt import Failure, failed
from skipbench.bench.errors import BenchError
from skipbench.bench.plugins import load_plugins, loaded_paths
from skipbench.bench.run.environment import environment
from skipbench.bench.run.inquiry import Inquiries
from skipbench.bench.run.session import SILENCE_S, SILENT, STOPPING, Ended, Session, States, Watch, seldom
from skipbench.bench.signals import Stopped, noting
from skipbench.bench.suites.plan import Plan
from skipbench.display import first_line, one_line

RETRIES = 2  # of a session whose process or machine has died
TICK_S = 0.5
CONNECT_S = 10.0


class OnRay:
    """Measures on the Ray cluster at `address`, or else on one that it starts on this machine.

    A session has as many CPUs as it has threads, and a GPU where it trains on one; one that must be alone has a
    whole machine. Where a process or its machine dies, Ray starts the session again, from its last state.
    """

    jobs = 1  # or as many as the cluster has room for

    def __init__(
        self,
        address: str | None = None,
        silence_s: float = SILENCE_S,
        keep_every_s: float = KEEP_EVERY_S,
        retries: int = RETRIES,
    ) -> None:
        self._address, self._silence_s = address, silence_s
        self._keep_every_s, self._retries = keep_every_s, retries

    def run(self, plan: Plan, sessions: Iterable[Session], states: States, watch: Watch) -> Iterator[Ended]:
        """Measure all sessions wherever there is room. Raises BenchError where no cluster answers."""
        due = list(sessions)
        if not due:
            return
        joined = ray.is_initialized()
        try:
            if not joined:
                _join(self._address)
            yield from self._measured(plan, due, states, watch)
        except RayError as error:
            raise BenchError(f"the Ray cluster fails: {one_line(first_line(error))}.") from error
        finally:
            if not joined:
                ray.shutdown()

    def _measured(self, plan: Plan, due: list[Session], states: States, watch: Watch) -> Iterator[Ended]:
        cluster, inquiries = _Cluster(plan, states, self._keep_every_s, self._retries), Inquiries()
        with noting() as asked:
            for session in due:
                cluster.submit(session)
            while cluster.tasks:
                for ended in cluster.listen(watch):
                    again: list[Session] = []
                    yield from inquiries.judge(ended, again)
                    for session in again if not asked else ():
                        cluster.submit(session)
                cluster.end_silent(self._silence_s)
                if asked:
                    cluster.ask_to_stop(watch)
            if asked:
                raise asked[0]


def _join(address: str | None) -> None:
    try:
        if address and ":" in address and "//" not in address:  # Ray itself waits for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        where = f"at {address}" if address else "on this machine"
        raise BenchError(f"no Ray cluster answers {where}: {one_line(first_line(error), 300)}.") from error


@dataclass
class _Task:
    """A session that Ray has been given."""

    number: int
    session: Session
    heard: float | None = None  # when it last gave a sign of life; None: it has not begun
    show: Any = None
    reason: str = ""  # why it was ended


class _Cluster:
    """The sessions that Ray has been given, and what they tell."""

    def __init__(self, plan: Plan, states: States, keep_every_s: float, retries: int) -> None:
        self.tasks: dict[Any, _Task] = {}  # by Ray's reference to the result
        self._states, self._keep_every_s, self._retries = states, keep_every_s, retries
        self._stopping, self._count = False, 0
        self._plan, self._plugins = ray.put(pickle.dumps(plan)), [path.resolve() for path in loaded_paths()]
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._board = _Board.options(  # type: ignore[attr-defined]
            scheduling_strategy=here
        ).remote()

    def submit(self, session: Session) -> None:
        """Give Ray a session."""
        self._count += 1
        task = _Task(self._count, session)
        state = self._states.of(session)
        if state is not None:
            ray.get(self._board.tell.remote(task.number, "state", state))
        options = session.cells[0].determines["options"]
        largest = max(node["Resources"].get("CPU", 1) for node in _machines())
        remote = _measure.options(
            num_cpus=largest if session.alone else min((options.get("threads") or 1) * session.devices, largest),
            num_gpus=session.devices if options.get("device") == "cuda" else 0,
            max_retries=self._retries,
        )
        result = remote.remote(self._plan, self._plugins, task.number, session, self._board, self._keep_every_s)
        self.tasks[result] = task

    def listen(self, watch: Watch) -> Iterator[Ended]:
        """Wait a moment, take what sessions tell, and yield those that are over."""
        done, _ = ray.wait(list(self.tasks), timeout=TICK_S)
        by_number = {task.number: task for task in self.tasks.values()}
        for number, kind, content in ray.get(self._board.take.remote()):
            if number not in by_number:
                continue
            task = by_number[number]
            task.heard = time.monotonic()
            if task.show is None:
                task.show = watch.begin(task.session)
            if kind == "share":
                task.show(content)
            elif kind == "state":
                self._states.keep(task.session, content)
        for result in done:
            task = self.tasks.pop(result)
            outcomes, machine, seconds = _fetched(result, task)
            if outcomes is not None:
                yield Ended(task.session, outcomes, seconds, machine)

    def end_silent(self, silence_s: float) -> None:
        """End sessions that hang."""
        for result, task in self.tasks.items():
            if not task.reason and task.heard is not None and time.monotonic() - task.heard > silence_s:
                task.reason = SILENT.format(silence_s) + "."
                ray.cancel(result, force=True)

    def ask_to_stop(self, watch: Watch) -> None:
        """Let sessions keep their states and end; says so once."""
        if not self._stopping:
            watch.say(STOPPING)
            self._board.stop.remote()
            for result, task in self.tasks.items():
                if task.heard is None:
                    ray.cancel(result)
        self._stopping = True


def _machines() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _fetched(result: Any, task: _Task) -> tuple[dict[str, Any] | None, dict[str, Any] | None, float]:
    """Return a session's outcomes by cell id, None where it was stopped, its machine, and its seconds."""
    try:
        found: tuple[dict[str, Any] | None, dict[str, Any] | None, float] = ray.get(result)
        return found
    except RayTaskError as error:
        failure = failed(error)
    except ray.exceptions.TaskCancelledError:
        return None, None, 0.0
    except RayError as error:
        died = f"its process or machine ended without a result: {one_line(first_line(error), 300)}."
        failure = Failure(task.reason or died, died=True)
    return dict.fromkeys(task.session.lacking, failure), None, 0.0


@ray.remote(num_cpus=0)
class _Board:
    """What sessions tell the run, and what it tells them."""

    def __init__(self) -> None:
        self._told: list[tuple[int, str, Any]] = []
        self._states: dict[int, bytes] = {}
        self._stopping = False

    def tell(self, number: int, kind: str, content: Any) -> bool:
        """Note a message; return whether the run is to stop."""
        self._told.append((number, kind, content))
        if kind == "state":
            self._states[number] = content
        return self._stopping

    def state(self, number: int) -> bytes | None:
        """Return the last state of a session."""
        return self._states.get(number)

    def take(self) -> list[tuple[int, str, Any]]:
        """Return what has been told since the last time."""
        told, self._told = self._told, []
        return told

    def stop(self) -> None:
        """Let sessions end when they tell something next."""
        self._stopping = True


@ray.remote(max_calls=1)  # in a process of its own, so that it leaves nothing behind for the next
def _measure(
    plan: bytes, plugins: list[Path], number: int, session: Session, board: Any, keep_every_s: float
) -> tuple[dict[str, Any] | None, dict[str, Any], float]:
    """Measure a session; return what it finds, None where it was stopped, on which machine, and its seconds."""
    start = time.perf_counter()
    load_plugins(plugins)

    def tell(kind: str, content: Any) -> None:
        if ray.get(board.tell.remote(number, kind, content)):
            advance.stopping = Stopped(signal.SIGTERM)

    advance = Advance(
        seldom(partial(tell, "share")), partial(tell, "state"), ray.get(board.state.remote(number)), keep_every_s
    )
    tell("began", None)
    try:
        found: dict[str, Any] | None = session.measure(pickle.loads(plan), advance)
    except Stopped:
        found = None
    except BaseException as error:  # somebody else's code may raise anything
        found = dict.fromkeys(session.lacking, failed(error))
    return found, environment(), time.perf_counter() - start
