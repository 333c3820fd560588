"""The report of a run on a server of this machine alone, made anew while the run goes on."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from skipbench.analysis.frames import load
from skipbench.analysis.pace import time_left
from skipbench.analysis.text import count
from skipbench.bench.errors import StoreError
from skipbench.bench.files import write_whole
from skipbench.bench.records.holding import STATES
from skipbench.bench.records.reader import DATABASE, open_run
from skipbench.bench.records.underway import underway_in
from skipbench.display import human_time
from skipbench.reports.errors import ReportError
from skipbench.reports.page import render
from skipbench.reports.shell import environment

HOST = "127.0.0.1"
LOOK_EVERY_S = 1.0
SHARE = 0.1  # of the time at most that pages are made in: the run needs the machine
KINDS = {".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".csv": "text/csv"}


@dataclass
class Shown:
    """What is served: a page and its files in a folder, and a line on how far the run is."""

    folder: Path
    line: str = "The run is being read."
    page: int = 0  # counts the pages made


class LiveReport:
    """Makes the page of a run in `folder`, again when the run has changed, at most every `every_s` seconds."""

    def __init__(self, run_dir: Path, folder: Path, every_s: float) -> None:
        self.shown = Shown(folder)
        self._run, self._every_s = open_run(run_dir), every_s
        self._seen: Any = None  # that which the line shows
        self._due = 0.0
        self._drawn: Any = None  # the stamp of the run that the page shows
        self._write(f"<!doctype html><title>skipbench</title>{environment().get_template('live.html.j2').render()}")

    def look(self) -> None:
        """Renew the line where the run has changed, and the page where it is due."""
        now = self._stamp()
        try:
            if now != self._seen:
                self.shown.line, self._seen = self._line(), now
            if now != self._drawn and time.monotonic() >= self._due:
                self._draw()
                self._drawn = now
        except (StoreError, ReportError) as error:
            self.shown.line = str(error)

    def _stamp(self) -> list[tuple[str, int, int]]:
        """Return what differs when a record or a state has been written."""
        folder = self._run.directory
        database = [folder / DATABASE, folder / f"{DATABASE}-wal"]
        return [_written(file) for file in (*database, *sorted((folder / STATES).glob("[!.]*")))]

    def _line(self) -> str:
        states = self._run.states()
        counts = Counter(state.status for _, state in states)
        missing = [cell for cell, state in states if state.status == "missing"]
        underway = list(underway_in(self._run.directory, missing))
        told = [f"{counts['ok']} of {count(len(states), 'cell')} done, {counts['failed']} failed"]
        if missing:
            left = time_left(states, underway)
            told.append(f"{len(missing)} missing" + ("" if left is None else f", about {human_time(left)} left"))
        lines = [f"{', '.join(told)}. As of {time.strftime('%H:%M:%S')}."]
        for training in underway:
            at = time.strftime("%H:%M:%S", time.localtime(training.kept_at))
            lines.append(f"{training.cell.name}: {training.images:,} of {training.planned:,} images by {at}")
        return "\n".join(lines)

    def _draw(self) -> None:
        began = time.monotonic()
        try:
            self._write(render(load(self._run.directory, underway=True), self.shown.folder, live=True))
            self.shown.page += 1
        finally:
            took = time.monotonic() - began
            self._due = began + max(self._every_s, took / SHARE)

    def _write(self, page: str) -> None:
        write_whole(self.shown.folder / "index.html", page)


def _written(file: Path) -> tuple[str, int, int]:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return file.name, 0, 0
    return file.name, stat.st_mtime_ns, stat.st_size


class _Handler(BaseHTTPRequestHandler):
    """Serves the page, the files beside it, and /status; nothing else, and to pages of its own only."""

    server: "_Server"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        shown = self.server.shown
        if self.headers.get("Host") not in self.server.names:  # a page of elsewhere whose name leads here
            self.send_error(HTTPStatus.FORBIDDEN)
        elif path == "/status":
            self._send(json.dumps({"line": shown.line, "page": shown.page}).encode(), "application/json")
        elif file := self._file("index.html" if path == "/" else path.removeprefix("/")):
            self._send(file.read_bytes(), KINDS.get(file.suffix, "text/plain; charset=utf-8"))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _file(self, name: str) -> Path | None:
        """Return the file of that name in the folder, of those that are there: a name leads nowhere else."""
        folder = self.server.shown.folder
        there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        return there.get(name)

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a browser asks every other second."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, shown: Shown) -> None:
        super().__init__((HOST, port), _Handler)
        self.shown = shown
        self.names = {f"{name}:{self.server_address[1]}" for name in (HOST, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser has closed its connection."""


@contextmanager
def served(port: int, shown: Shown) -> Iterator[str]:
    """Serve on a port of this machine, 0 for any that is free, while the block runs; yield the address.

    Raises ReportError where the port cannot be had.
    """
    try:
        server = _Server(port, shown)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ReportError(
            f"cannot serve on port {port} of {HOST}: {why}; choose another with --port, or let --port 0 find one."
        ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve_live(run_dir: Path, port: int, every_s: float) -> Iterator[str]:
    """Serve the report of a run until the process is stopped, and yield its address once.

    The page lies in a folder for the time being: nothing is written to the run. Raises StoreError where `run_dir`
    holds no run, ReportError where the port cannot be had.
    """
    with TemporaryDirectory(prefix="skipbench-live-") as folder:
        report = LiveReport(run_dir, Path(folder), every_s)
        with served(port, report.shown) as address:
            yield address
            while True:
                report.look()
                time.sleep(LOOK_EVERY_S)
