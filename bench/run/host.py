"""The process that starts cells: it has imported everything and holds the data, and each cell is a fork of it.

So a cell starts at once, with the data that were read before it, and leaves nothing behind for the next. It must
not compute with more than one thread, as a fork has only one. It ends when the run's process does.
"""

import faulthandler
import gc
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from skipbench.archs import REGISTRIES
from skipbench.bench.advance import Advance
from skipbench.bench.attempt import Failure, failed, reason
from skipbench.bench.data import CachedDataset
from skipbench.bench.data.base import Part
from skipbench.bench.errors import BenchError
from skipbench.bench.measure import OWN_REGISTRIES, measurements
from skipbench.bench.plugins import load_plugins, parts_of_spec, plugin_source
from skipbench.bench.run.session import Session, seldom
from skipbench.bench.signals import Stopped
from skipbench.bench.suites.plan import Plan
from skipbench.bench.tasks import plugged_metrics

UNKNOWN = "is in no file that --plugin loads: put it into one, or measure in this process, with --jobs 0"
FORKED = "it forks its process, and the copy goes on."
FORK_S = 1.0  # within which copies of a session's process have to end
VICTIM = "500"  # of 1000, in the kernel's choice of whom to kill for memory: the cell, not the run


@dataclass(frozen=True)
class Order:
    """A session to be begun in a process of its own."""

    number: int
    session: Session
    state: bytes | None  # from which it goes on
    keep_every_s: float
    output: Path  # the file for what it prints
    environment: Mapping[str, str]  # variables of its own


def parts_of(plan: Plan) -> dict[str, list[str]]:
    """Return the names of all that a plan is made of, by its kind."""
    parts: list[object] = [*measurements()]
    for study in plan.studies:
        parts += [*study.parts, *plugged_metrics(study.task.name).values()]
        parts += [part for arm in study.arms for part in parts_of_spec(arm.spec)]
    return {
        registry.kind: [name for name, part in registry.registered.items() if part in parts]
        for registry in (*REGISTRIES.values(), *OWN_REGISTRIES)
    }


def main() -> None:
    """Serve the process at the other end of the connection that the command line names, until that ends."""
    os.setsid()  # signals of the terminal are the run's to deal with
    run = Connection(int(sys.argv[1]))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plugins, named, content = run.recv(), run.recv(), run.recv_bytes()
    except EOFError:  # the run has come to nothing
        return
    try:
        load_plugins(plugins)
        for registry in (*REGISTRIES.values(), *OWN_REGISTRIES):
            for name in named[registry.kind]:
                if name not in registry.registered:
                    raise BenchError(f"the {registry.kind} '{name}' {UNKNOWN}")
        plan = pickle.loads(content)
    except Exception as error:
        run.send(reason(error))
        return
    run.send(None)
    gc.freeze()  # what is there already is shared with all sessions, so none need look through it or copy it
    with suppress(ConnectionError):  # the run has ended
        _serve(run, plan, threads)


def _serve(run: Connection, plan: Plan, threads: int) -> None:
    """Start sessions, tell when their processes have ended, and read data where there is nothing else to do."""
    pids: dict[int, int] = {}  # process -> number of its order
    alone = False
    unread: Iterator[int] | None = _reading(plan)
    ended = _ends_of_children()
    while True:
        ready = wait([run, ended], timeout=None if alone or unread is None else 0)
        if run in ready:
            try:
                order = run.recv()
            except (EOFError, ConnectionError):
                for pid in pids:
                    _signal(pid, signal.SIGKILL)
                return
            if isinstance(order, Order):
                pid = _start(run, plan, order, threads)
                pids[pid], alone = order.number, order.session.alone
            else:
                for pid in [pid for pid, number in pids.items() if number == order[0]]:
                    _signal(pid, order[1])
        if ended in ready:
            os.read(ended, 4096)
            for pid, status in _reaped(list(pids)):
                _signal(pid, signal.SIGKILL)  # to what it has started and left
                run.send((pids.pop(pid), os.waitstatus_to_exitcode(status)))
        if not ready and unread is not None and next(unread, None) is None:
            unread = None


def _ends_of_children() -> int:
    """Return what can be read from when a child has ended; a pipe to it may be held open by children of its own."""
    end, start = os.pipe()
    os.set_blocking(start, False)
    signal.set_wakeup_fd(start)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return end


def _reaped(pids: list[int]) -> list[tuple[int, int]]:
    """Return those of the processes that have ended, each with its status."""
    return [(pid, status) for pid in pids for done, status in [os.waitpid(pid, os.WNOHANG)] if done]


def _signal(pid: int, number: int) -> None:
    """Send a signal to a session's process; one that kills, to all that it has started, too."""
    with suppress(ProcessLookupError, PermissionError):
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _reading(plan: Plan) -> Iterator[int]:
    """Read all that is kept in memory, a sample at each step; what a plug-in reads is left to the sessions."""
    for data in {
        id(study.data): study.data for study in plan.studies if plugin_source(study.parts) is None
    }.values():
        for split in (data.train, data.val, data.test):
            for index in range(min(len(split), split.kept_count) if isinstance(split, CachedDataset | Part) else 0):
                with suppress(Exception):  # the session that reads it says what is wrong
                    split[index]
                yield index


def _start(run: Connection, plan: Plan, order: Order, threads: int) -> int:
    """Fork, and return the id of the process that measures the session."""
    handle = recv_handle(run)
    pid = os.fork()
    if pid:
        os.close(handle)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)  # here, too: whoever is faster
        return pid
    try:
        run.close()  # or the run would not see its end
        signal.set_wakeup_fd(-1)
        _measure(Connection(handle), plan, order, threads)
    finally:
        os._exit(1)


def _measure(connection: Connection, plan: Plan, order: Order, threads: int) -> None:
    """Measure a session, send what it finds, and end the process."""
    own = os.getpid()
    os.setpgid(own, own)
    forks = _Forks(order.output.with_suffix(".fork"))

    def tell(kind: str, content: Any) -> None:
        forks.end_copy()
        connection.send((kind, content))

    tell_share = seldom(partial(tell, "share"))

    def show(share: float) -> None:
        forks.end_copy()
        forks.refuse()
        tell_share(share)

    with suppress(OSError):  # there is none but on Linux
        Path("/proc/self/oom_score_adj").write_text(VICTIM)
    os.environ.update(order.environment)
    _print_to(order.output)
    torch.set_num_threads(threads)
    advance = Advance(show, partial(tell, "state"), order.state, order.keep_every_s)

    def stop(number: int, frame: FrameType | None) -> None:
        advance.stopping = Stopped(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        found: dict[str, Any] | None = order.session.measure(plan, advance)
    except Stopped:
        found = None
    except BaseException as error:  # KeyboardInterrupt, too: only the session itself can have raised it
        found = dict.fromkeys(order.session.lacking, failed(error))
    forks.end_copy()
    if forks.left():
        found = dict.fromkeys(order.session.lacking, Failure(FORKED))
    try:
        tell("found", found)
    except Exception as error:  # what a plug-in returns may be anything
        tell("found", dict.fromkeys(order.session.lacking, failed(error)))
    os._exit(0)


class _Forks:
    """Copies that a session makes of its process: where they don't end by themselves, the session has failed."""

    def __init__(self, mark: Path) -> None:
        self._mark, self._own, self._made, self._depth = mark, os.getpid(), False, 0
        os.register_at_fork(after_in_parent=self._note, after_in_child=self._deeper)

    def _note(self) -> None:
        self._made = True

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > 1:  # a copy that itself forks would do so without end
            os._exit(0)

    def end_copy(self) -> None:
        """End this process where it is a copy."""
        if os.getpid() != self._own:
            self._mark.touch()
            os._exit(0)

    def refuse(self) -> None:
        """Raise BenchError where copies have come back."""
        if self._made and self._mark.exists():
            raise BenchError(FORKED)

    def left(self) -> bool:
        """Return whether copies have come back, or go on by themselves; to end takes them a moment."""
        deadline = time.monotonic() + FORK_S
        while self._made and not self._mark.exists() and _has_children():
            if time.monotonic() > deadline:
                return True
            time.sleep(0.01)
        return self._mark.exists()


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _print_to(file: Path) -> None:
    """Let all that this process prints, a trace of where it crashed too, go to `file`."""
    output = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    faulthandler.enable(2, all_threads=False)
