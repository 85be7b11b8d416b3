"""What a short run costs a worker, beside the SDK's own stream, which stores nothing."""

from __future__ import annotations

from harness.contenders import SDK, contenders
from harness.effort import Effort
from harness.load import Load
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate

FIGURES = (Figure("short_run.cpu", "run of 5 tokens, CPU of the worker", "ms", (SDK,)),)


def measure(effort: Effort) -> list[Result]:
    """Measure runs that are executed together."""
    chosen = contenders("tokens=5 delay=0.02", effort.runs, _values, SDK)
    return results(FIGURES, alternate(effort, chosen))


def _values(load: Load, runs: int) -> Values:
    return {"short_run.cpu": load.cpu / runs * 1000}
