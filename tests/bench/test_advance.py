"""What a measurement tells, and the states that it gives."""

import signal

import pytest

from skipbench.bench.advance import Advance
from skipbench.bench.signals import Stopped


def test_a_state_is_made_when_it_is_time_to_and_before_the_end() -> None:
    shares: list[float] = []
    kept: list[bytes] = []
    advance = Advance(shares.append, kept.append, every_s=1000)
    advance.keep(lambda: b"too early")
    advance(0.5)
    advance.stopping = Stopped(signal.SIGTERM)
    advance.keep(lambda: b"in time")
    with pytest.raises(Stopped):
        advance(0.75)
    assert (shares, kept) == ([0.5, 0.75], [b"in time"])


def test_with_no_pause_every_state_is_kept_and_without_a_keeper_none_is_made() -> None:
    kept: list[bytes] = []
    advance = Advance(keep=kept.append, every_s=0)
    advance.keep(lambda: b"1")
    advance.keep(lambda: b"2")
    assert kept == [b"1", b"2"]
    Advance(every_s=0).keep(lambda: pytest.fail("nobody keeps it"))
