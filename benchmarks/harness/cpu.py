"""CPU time of processes, in the resolution of the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, with all its threads."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # Linux's clock of this process
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def cpu_of_all(*pids: int) -> float:
    """What these processes and their children have used so far."""
    children = [one.pid for pid in pids for one in psutil.Process(pid).children(recursive=True)]
    return sum(map(cpu_seconds, [*pids, *children]))


def memory_mb(pid: int) -> float:
    """Megabytes that a process and its children have; what they share is counted once."""
    root = psutil.Process(pid)
    family = (one.memory_full_info() for one in [root, *root.children(recursive=True)])
    return sum(float(getattr(one, "pss", one.rss)) for one in family) / 1e6


class Stopwatch:
    """Seconds, and seconds of CPU, since it was made."""

    def __init__(self, cpu: Callable[[], float] = time.process_time) -> None:
        self._cpu = cpu
        self._begun, self._used = time.perf_counter(), cpu()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._begun

    @property
    def cpu(self) -> float:
        """CPU time since it was made."""
        return self._cpu() - self._used
