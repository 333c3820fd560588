"""The live page, asked through a real server: what it says, what it serves, and what it leaves alone."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from skipbench.bench.records.reader import open_run
from skipbench.bench.records.store import write_run
from skipbench.reports.errors import ReportError
from skipbench.reports.live import LiveReport, served


def get(url: str, path: str = "") -> str:
    with urllib.request.urlopen(f"{url}{path}", timeout=10) as answer:
        assert answer.status == 200
        return answer.read().decode()


def files(folder: Path) -> dict[str, bytes]:
    """Return what a folder holds, but what SQLite puts beside a database that is read."""
    whole = (
        path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".sqlite-shm", ".sqlite-wal")
    )
    return {str(path): path.read_bytes() for path in whole}


@pytest.fixture
def live(tmp_path):
    """Serve a run, and return what makes its page, and the address."""
    (tmp_path / "page").mkdir()
    (tmp_path / "secret.txt").write_text("nobody's business")
    contexts = []

    def serve(run: Path) -> tuple[LiveReport, str]:
        report = LiveReport(run, tmp_path / "page", every_s=0)
        contexts.append(served(0, report.shown))
        return report, contexts[-1].__enter__()

    yield serve
    for context in contexts:
        context.__exit__(None, None, None)


def test_the_page_is_made_anew_when_a_cell_has_ended_and_the_run_is_left_as_it_was(made_up, live, monkeypatch):
    monkeypatch.setattr("skipbench.reports.live.SHARE", 1.0)  # no pause after the time that a page took
    half = made_up(finished=lambda cell: cell.kind == "train" and cell.seed == 0)
    whole = open_run(made_up())
    before = files(half)
    report, url = live(half)
    assert "looked at" in get(url)
    report.look()
    first = json.loads(get(url, "status"))
    assert first["page"] == 1
    assert first["line"].startswith("4 of 16 cells done, 0 failed, 12 missing. As of ")
    page = get(url)
    assert "Learning curves" in page
    assert "Failures and missing cells" in page
    assert "connect-src 'self'" in page
    report.look()
    assert json.loads(get(url, "status"))["page"] == 1  # nothing has changed
    assert files(half) == before
    with write_run(half, whole.suite, whole.cells(), whole.metrics) as run:
        run.save([record for record in whole.records() if record.kind == "cost"])
    report.look()
    second = json.loads(get(url, "status"))
    assert second["page"] == 2
    assert second["line"].startswith("8 of 16 cells done")


def test_files_beside_the_page_are_served_and_nothing_else_is(made_up, live, tmp_path):
    report, url = live(made_up(finished=lambda cell: cell.kind == "train"))
    report.look()
    assert get(url, "tables/curves.csv").startswith("arm,")
    assert get(url, "figures/curves.svg").startswith("<?xml")
    host = url.removeprefix("http://").rstrip("/")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", f"/{tmp_path}/secret.txt", "/tables", "/../run.sqlite"):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == 404, path
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"Host": "evil.example"}), timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(urllib.request.Request(url, data=b"x"), timeout=10)


def test_it_listens_on_loopback_alone(made_up, live):
    _, url = live(made_up(finished=lambda cell: False))
    port = int(url.rstrip("/").rpartition(":")[2])
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(OSError):  # noqa: PT011 - refused, by any address but this
        socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_run_that_breaks_is_a_sentence_and_the_page_stays(made_up, live):
    run = made_up(finished=lambda cell: False)
    report, url = live(run)
    report.look()
    page = get(url)
    (run / "run.sqlite").write_bytes(b"no database")
    report.look()
    assert "is damaged, or is not a run" in json.loads(get(url, "status"))["line"]
    assert get(url) == page


def test_a_port_that_is_taken_is_one_sentence(made_up, live):
    report, url = live(made_up(finished=lambda cell: False))
    port = int(url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ReportError, match=f"cannot serve on port {port} of 127.0.0.1: .*; choose another"):
        served(port, report.shown).__enter__()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_command_serves_until_it_is_stopped_and_leaves_nothing(made_up, tmp_path, number, code):
    command = [sys.executable, "-m", "skipbench", "live", str(made_up(finished=lambda cell: False)), "--port", "0"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    url = process.stdout.readline().split()[1]
    assert "<title>skipbench" in get(url)
    deadline = time.monotonic() + 60
    while json.loads(get(url, "status"))["page"] == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == code
    assert complaint == ""
    assert not list(temporary.glob("skipbench-*"))
