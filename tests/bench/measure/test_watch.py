"""What the machine does beside a measurement: the load of others is seen, and one's own is not theirs."""

import os
import subprocess
import sys
import time

import pytest
import torch

from skipbench.bench.measure import watch
from skipbench.bench.measure.watch import Calibration, Watch, frequency_mhz


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Return a function that sets the seconds that all cores have been busy, host's share included."""
    stat, tick = tmp_path / "stat", os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(watch, "STAT", stat)

    def busy(user: float, idle: float = 0.0, stolen: float = 0.0) -> None:
        columns = (user, 0, 0, idle, 0, 0, 0, stolen, 0, 0)
        stat.write_text("cpu  " + " ".join(str(int(seconds * tick)) for seconds in columns) + "\n")

    return busy


def test_the_load_of_others_is_what_all_cores_did_less_what_this_process_did(counted) -> None:
    counted(user=50, idle=3)
    outer, own, since = time.perf_counter(), time.process_time(), Watch()
    inner = time.perf_counter()
    while time.process_time() < own + 0.3:
        pass
    counted(user=51, idle=9, stolen=1)
    least = time.perf_counter() - inner
    others = since.others_cores()
    most = time.perf_counter() - outer
    assert 0.98 * (2 - 0.3) / most <= others <= (2 - 0.3) / least  # .02: writing the file takes time of its own


def test_a_system_that_does_not_tell_its_load_gives_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(watch, "STAT", tmp_path / "nothing")
    assert Watch().others_cores() is None


@pytest.mark.skipif(not watch.STAT.is_file(), reason="this system does not tell its load")
def test_a_busy_process_is_seen() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        since = Watch()
        time.sleep(0.5)
        assert since.others_cores() > 0.2
    finally:
        busy.kill()


def test_the_clock_is_told_in_megahertz_or_not_at_all() -> None:
    clock = frequency_mhz()
    assert clock is None or 100 < clock < 10_000


def test_the_calibration_kernel_does_the_same_work_each_time() -> None:
    kernel = Calibration(torch.device("cpu"))
    assert torch.equal(kernel(), torch.full((watch.SIDE, watch.SIDE), float(watch.SIDE)))
    assert torch.equal(kernel.target, kernel.source)
