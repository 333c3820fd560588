"""What else the machine does while networks are timed: a fixed kernel's time, the load of others, the clock."""

import os
import time
from pathlib import Path

import torch

SIDE = 256  # of the calibration kernel's matrices
STAT, CPUINFO = Path("/proc/stat"), Path("/proc/cpuinfo")
BUSY = (0, 1, 2, 5, 6, 7)  # of the columns of STAT: user, nice, system, irq, softirq, and what the host took away


class Calibration:
    """A fixed piece of work, arithmetic and memory, whose time tells a slower machine from a slower network."""

    def __init__(self, device: torch.device) -> None:
        self.matrix = torch.ones(SIDE, SIDE, device=device)
        self.source = torch.ones(8 * SIDE, SIDE, device=device)  # 2 MiB
        self.target = torch.empty_like(self.source)

    def __call__(self) -> torch.Tensor:
        """Multiply two matrices and copy 2 MiB."""
        self.target.copy_(self.source)
        return self.matrix @ self.matrix


class Watch:
    """Counts, from its making on, the cores that others than this process keep busy."""

    def __init__(self) -> None:
        self.start, self.own, self.all = time.perf_counter(), time.process_time(), _busy_seconds()

    def others_cores(self) -> float | None:
        """Return the mean number of cores that others kept busy, the host's share included; None if not known."""
        busy = _busy_seconds()
        if busy is None or self.all is None:
            return None
        own = time.process_time() - self.own
        return max(0.0, (busy - self.all - own) / (time.perf_counter() - self.start))


def _busy_seconds() -> float | None:
    """Return the seconds that all cores together have been busy since the start of the system."""
    if not STAT.is_file():
        return None
    columns = STAT.read_text().splitlines()[0].split()[1:]
    return sum(int(columns[column]) for column in BUSY) / os.sysconf("SC_CLK_TCK")


def frequency_mhz() -> float | None:
    """Return the mean clock of all cores as the system tells it, None where it does not."""
    scaled = [
        int(file.read_text()) / 1e3
        for file in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    ]
    told = CPUINFO.read_text().splitlines() if not scaled and CPUINFO.is_file() else []
    clocks = scaled or [float(line.partition(":")[2]) for line in told if line.startswith("cpu MHz")]
    return sum(clocks) / len(clocks) if clocks else None
