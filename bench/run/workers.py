"""Sessions in processes of their own, several side by side: none can hurt another, or the run."""

import pickle
import re
import signal
import site
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

from skipbench.bench.advance import KEEP_EVERY_S
from skipbench.bench.attempt import Failure, failed
from skipbench.bench.errors import BenchError
from skipbench.bench.plugins import loaded_paths
from skipbench.bench.run.host import Order, parts_of
from skipbench.bench.run.inquiry import Inquiries
from skipbench.bench.run.program import Program
from skipbench.bench.run.session import SILENCE_S, SILENT, STOPPING, Ended, Session, States, Watch, prepared
from skipbench.bench.signals import noting
from skipbench.bench.suites.plan import Plan
from skipbench.display import in_words, one_line

MAX_OUTPUT = 16 * 2**20  # bytes that a cell may print
GRACE_S = 2.0  # for a process to end after it has closed its connection
TICK_S = 0.5  # between looks at whether somebody wants the run to stop, or a cell says nothing
STDLIB = sysconfig.get_path("stdlib")
FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)  # of a crash, the innermost first


@dataclass
class _Running:
    """A session in its process."""

    session: Session
    connection: Connection
    show: Callable[[float], None]
    slots: list[int]
    output: Path
    began: float = field(default_factory=time.perf_counter)
    heard: float = field(default_factory=time.monotonic)
    hung_up: bool = False  # there is nobody at the other end of the connection
    found: dict[str, Any] | None = None
    reason: str = ""  # why it was killed


class Workers:
    """Measures `jobs` sessions side by side; those that must be alone have the machine to themselves.

    A process that dies, is silent for `silence_s` seconds or prints without end is a failure of its session alone.
    Where the run is asked to end, sessions keep their states first; asked again, they end at once. `gpus` are the
    names of those that the sessions side by side have one of each; one on several devices counts as so many.
    `program` is the process that starts them, for one run, where it has been begun already.
    """

    def __init__(
        self,
        jobs: int = 1,
        silence_s: float = SILENCE_S,
        keep_every_s: float = KEEP_EVERY_S,
        gpus: Sequence[str] = (),
        program: Program | None = None,
    ) -> None:
        self.jobs, self._silence_s, self._keep_every_s, self._gpus = jobs, silence_s, keep_every_s, gpus
        self._program = program

    def run(self, plan: Plan, sessions: Iterable[Session], states: States, watch: Watch) -> Iterator[Ended]:
        """Measure all sessions, each in a process of its own. Raises BenchError where none can be started."""
        waiting = deque(prepared(sessions))
        inquiries = Inquiries()
        if not waiting:
            return
        with noting() as asked, _Host(plan, states, watch, self._program) as host:
            while host.running or (waiting and not asked):
                while waiting and not asked and (slots := self._slots(waiting[0], host.running.values())):
                    session = waiting.popleft()
                    host.begin(session, slots, self._keep_every_s, self._environment(session, slots))
                for ended in host.listen(stopping=bool(asked)):
                    again: list[Session] = []
                    yield from inquiries.judge(ended, again)
                    waiting.extendleft(again)
                host.kill_silent_and_loud(self._silence_s)
                if asked:
                    host.ask_to_stop()
            if asked:
                raise asked[0]

    def _slots(self, session: Session, running: Collection[_Running]) -> list[int]:
        """Return the places that a session takes, one for each of its devices, or all; [] while it must wait."""
        if running and (session.alone or any(other.session.alone for other in running)):
            return []
        taken = {slot for other in running for slot in other.slots}
        free = [slot for slot in range(self.jobs) if slot not in taken]
        if session.devices > 1 and self._gpus:  # each of its processes needs a GPU of its own
            free = list({slot % len(self._gpus): slot for slot in reversed(free)}.values())
        places = min(session.devices, self.jobs, len(self._gpus) or self.jobs)
        return sorted(free)[:places] if len(free) >= places else []

    def _environment(self, session: Session, slots: list[int]) -> dict[str, str]:
        """Return the variables that show a session its GPUs."""
        names = [self._gpus[slot % len(self._gpus)] for slot in slots] if self._gpus else []
        others = [name for name in self._gpus if name not in names]  # with fewer jobs than GPUs, nothing else runs
        names += others[: session.devices - len(slots)]
        return {"CUDA_VISIBLE_DEVICES": ",".join(names)} if names else {}


class _Host:
    """The process that starts sessions (host.py), and what is known of those that run."""

    def __init__(self, plan: Plan, states: States, watch: Watch, begun: Program | None) -> None:
        self._states, self._watch, self._parts = states, watch, parts_of(plan)
        self.running: dict[int, _Running] = {}
        self._count, self._stopping = 0, False
        try:
            self._plan = pickle.dumps(plan)
        except Exception as error:
            raise BenchError(
                f"the suite cannot be sent to another process ({in_words(error)}): define its parts in a file that "
                "--plugin loads, or measure in this process, with --jobs 0."
            ) from error
        self._program = begun or Program()
        self._connection, self._process = self._program.connection, self._program.process

    def __enter__(self) -> "_Host":
        self._folder = tempfile.TemporaryDirectory(prefix="skipbench-")
        try:
            self._connection.send(loaded_paths())
            self._connection.send(self._parts)
            self._connection.send_bytes(self._plan)
            problem = self._connection.recv()
        except (EOFError, OSError):
            problem = f"it ended with exit code {self._process.wait()}"
        if problem is not None:
            self.__exit__()
            raise BenchError(f"the process that starts cells cannot begin: {problem.removesuffix('.')}.")
        return self

    def __exit__(self, *error: object) -> None:
        self._program.end()
        self._folder.cleanup()

    def begin(
        self, session: Session, slots: list[int], keep_every_s: float, environment: Mapping[str, str]
    ) -> None:
        """Start a session in a process of its own."""
        ours, theirs = Pipe()
        self._count += 1
        output = Path(self._folder.name) / str(self._count)
        state = self._states.of(session)
        with theirs, self._alive():
            self._connection.send(Order(self._count, session, state, keep_every_s, output, environment))
            send_handle(self._connection, theirs.fileno(), self._process.pid)
        self.running[self._count] = _Running(session, ours, self._watch.begin(session), slots, output)

    def listen(self, stopping: bool) -> Iterator[Ended]:
        """Wait a moment for what sessions have to say, and yield those that are over.

        One without a result is a failure of its cells, but not where it was asked to stop.
        """
        speaking = {running.connection: running for running in self.running.values() if not running.hung_up}
        ready = wait([self._connection, *speaking], TICK_S)
        for connection, running in speaking.items():
            if connection in ready:
                self._hear(running)
        if self._connection not in ready:
            return
        with self._alive():
            number, exit_code = self._connection.recv()
        running = self.running.pop(number)
        while self._hear(running):
            pass
        if running.found is None and not (stopping and not running.reason):
            failure = _death(running, exit_code)
            running.found = dict.fromkeys(running.session.lacking, failure)
        running.connection.close()
        if running.found is not None:
            yield Ended(running.session, running.found, time.perf_counter() - running.began)

    def kill_silent_and_loud(self, silence_s: float) -> None:
        """End sessions that hang, or print without end."""
        for number, running in self.running.items():
            if running.reason:
                continue
            silent_s = time.monotonic() - running.heard
            if silent_s > silence_s:
                running.reason = SILENT.format(silence_s)
            elif running.hung_up and silent_s > GRACE_S:
                running.reason = "it closed the files of its process, so it was stopped"
            elif running.output.exists() and running.output.stat().st_size > MAX_OUTPUT:
                running.reason = f"it printed more than {MAX_OUTPUT >> 20} MiB, so it was stopped"
            if running.reason:
                self._signal(number, signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Let sessions keep their states and end; says so once."""
        if not self._stopping and self.running:
            self._watch.say(STOPPING)
            for number in self.running:
                self._signal(number, signal.SIGTERM)
        self._stopping = True

    def _hear(self, running: _Running) -> bool:
        """Take one message of a session; return whether there was one."""
        try:
            if running.hung_up or not running.connection.poll():
                return False
            kind, value = running.connection.recv()
        except (EOFError, OSError):
            running.hung_up, running.heard = True, time.monotonic()
            return False
        except Exception as error:  # what a plug-in returns may come out of no pickle
            kind, value = "found", dict.fromkeys(running.session.lacking, failed(error))
        running.heard = time.monotonic()
        if kind == "share":
            running.show(value)
        elif kind == "state":
            try:
                self._states.keep(running.session, value)
            except OSError as error:
                self._watch.say(f"A state of {running.session.name} cannot be kept: {error}.")
        else:
            running.found = value
        return True

    def _signal(self, number: int, signal_number: int) -> None:
        with self._alive():
            self._connection.send((number, signal_number))

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """Raise BenchError where the process that starts cells has died."""
        try:
            yield
        except (EOFError, OSError) as error:
            code = self._process.wait()
            raise BenchError(
                f"the process that starts cells has ended ({_ended(code)}); every finished cell is kept, and "
                "run the same command to continue."
            ) from error


def _death(running: _Running, exit_code: int) -> Failure:
    """Return why a session has no result, with the place where its process crashed, as far as that is known."""
    printed = running.output.read_text(errors="replace")[-MAX_OUTPUT:] if running.output.exists() else ""
    crash = printed.rpartition("Fatal Python error")[2]
    own = [frame for frame in FRAME.findall(crash) if not frame[0].startswith((*site.getsitepackages(), STDLIB))]
    place = f" in {own[0][2]} ({Path(own[0][0]).name}, line {own[0][1]})" if own else ""
    reason = running.reason or f"its process ended without a result: {_ended(exit_code)}{place}"
    return Failure(one_line(f"{reason}."), printed, died=True)


def _ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name}, as a system ends what takes too much memory" if name == "SIGKILL" else name
