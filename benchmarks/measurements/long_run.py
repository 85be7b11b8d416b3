"""What a token of a long run costs a worker, beside the SDK's own stream, which stores nothing."""

from __future__ import annotations

from harness.contenders import SDK, contenders
from harness.effort import Effort
from harness.load import Load
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate

FIGURES = (Figure("token_200.cpu", "token, of 200 in a run, CPU of the worker", "µs", (SDK,)),)
TOKENS = 200


def measure(effort: Effort) -> list[Result]:
    """Measure half as many runs as of others: each of them has so many tokens."""
    runs = max(30, effort.runs // 2)
    return results(
        FIGURES, alternate(effort, contenders(f"tokens={TOKENS} delay=0.02", runs, _values, SDK))
    )


def _values(load: Load, runs: int) -> Values:
    return {"token_200.cpu": load.cpu / runs / TOKENS * 1e6}
