"""The processes of a training on several devices: this one, and one more for each other device."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from threading import Event, Thread

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import Precision
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

from skipbench.bench.attempt import Failure, failed
from skipbench.bench.errors import BenchError
from skipbench.bench.plugins import load_plugins, loaded_paths
from skipbench.bench.training.ranks import ALONE, Ranks, WholeBatches

PROGRAM = "import sys; sys.path[:] = {path}; from skipbench.bench.training.processes import main; main()"
HOST = "127.0.0.1"
PATIENCE = timedelta(days=7)  # with the first rank, which alone scores the splits
TICK_S = 0.5
GRACE_S = 10.0  # for this process to notice by itself that another has died, which NCCL doesn't tell


class RankError(BenchError):
    """The process of another device than the first has failed."""


@contextmanager
def together(follow: Callable[[Ranks], None], count: int, device: torch.device) -> Iterator[Ranks]:
    """Yield this process's place among `count`, the first; the others do what `follow` does, and end with it.

    Raises RankError where one of them fails.
    """
    if count == 1:
        yield ALONE
        return
    store = TCPStore(HOST, 0, count, is_master=True, wait_for_workers=False)
    others = _Others(follow, count, store.port, device)
    try:
        others.begin()
        with _joined(Ranks(0, count), store, device) as ranks:
            yield ranks
    except RuntimeError as error:  # what torch raises where a process that it speaks to is gone
        if (reason := others.failure()) is not None:
            raise RankError(reason) from error
        raise
    finally:
        others.end()


class _Others:
    """The processes of all devices but the first. They stay in this one's group, and end when it does."""

    def __init__(self, follow: Callable[[Ranks], None], count: int, port: int, device: torch.device) -> None:
        self._connections: dict[Connection, int] = {}
        self._processes = []
        self._over, self._failed, self._reason = Event(), Event(), ""
        self._watching = Thread(target=self._watch, daemon=True)
        order = pickle.dumps((follow, count, port, device))
        for own in range(1, count):
            ours, theirs = Pipe()
            program = [sys.executable, "-c", PROGRAM.format(path=sys.path), str(theirs.fileno())]
            with theirs:
                process = subprocess.Popen(program, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
            self._processes.append(process)
            self._connections[ours] = own
            ours.send((loaded_paths(), own))
            ours.send_bytes(order)

    def begin(self) -> None:
        """Wait until all have loaded what they need, and watch them from then on."""
        for connection in self._connections:
            if (reason := self._heard(connection)) is not None:
                raise RankError(reason)
        self._watching.start()

    def _heard(self, connection: Connection) -> str | None:
        """Wait for a message of one; return why it has failed, None where it is well."""
        try:
            failure = connection.recv()
        except (EOFError, OSError):
            failure = Failure("its process ended without a result.")
        return None if failure is None else f"device {self._connections[connection]} fails: {failure.reason}"

    def _watch(self) -> None:
        """Note the first failure; where this process doesn't notice it, and hangs, end it."""
        running = list(self._connections)
        while running and not self._over.is_set():
            for connection in wait(running, TICK_S):
                assert isinstance(connection, Connection)
                running.remove(connection)
                if (reason := self._heard(connection)) is not None:
                    self._reason = reason
                    self._failed.set()
                    if not self._over.wait(2 * GRACE_S):
                        print(reason, file=sys.stderr, flush=True)
                        os._exit(1)
                    return

    def failure(self) -> str | None:
        """Return why one has failed, None where none has after a while."""
        return self._reason if self._failed.wait(GRACE_S) else None

    def end(self) -> None:
        """End them."""
        self._over.set()
        if self._watching.is_alive():
            self._watching.join()
        for process in self._processes:
            process.kill()
            process.wait()
        for connection in self._connections:
            connection.close()


def main() -> None:
    """Train as the rank that the process at the other end of the connection says, and end when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first rank's to deal with
    first = Connection(int(sys.argv[1]))
    try:
        plugins, own = first.recv()
        load_plugins(plugins)
        follow, count, port, device = pickle.loads(first.recv_bytes())
        Thread(target=_end_after, args=(first,), daemon=True).start()
        first.send(None)
        with _joined(Ranks(own, count), TCPStore(HOST, port, count), device) as ranks:
            follow(ranks)
        first.send(None)
    except BaseException as error:  # somebody else's code may raise anything
        with suppress(OSError):
            first.send(failed(error))
    os._exit(0)


def _end_after(first: Connection) -> None:
    first.poll(None)
    os._exit(1)


@contextmanager
def _joined(ranks: Ranks, store: TCPStore, device: torch.device) -> Iterator[Ranks]:
    """Let the ranks exchange tensors, and compute over whole batches, while the block runs."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=ranks.own, world_size=ranks.count, timeout=PATIENCE)
    try:
        with WholeBatches(ranks):
            yield ranks
    finally:
        distributed.destroy_process_group()


def fabric_of(ranks: Ranks, device: torch.device, precision: Precision) -> Fabric:
    """Return Fabric on this rank's device."""
    if ranks.count == 1:
        return Fabric(accelerator=device.type, devices=1, plugins=precision)
    strategy = _Strategy(cluster_environment=_Place(ranks), find_unused_parameters=True)
    fabric = Fabric(accelerator=device.type, devices=ranks.count, strategy=strategy, plugins=precision)
    fabric.launch()
    return fabric


class _Strategy(DDPStrategy):
    """DDP among processes that are there already: Fabric starts none, and leaves the number of threads alone."""

    def _configure_launcher(self) -> None:
        self._launcher = None

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        model = super().setup_module(module)
        model.broadcast_buffers = False  # they are alike; and the first rank also runs the network alone
        return model


class _Place(LightningEnvironment):
    """Says which rank this process is."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    def local_rank(self) -> int:
        return self._ranks.own
