"""How the log names runs and errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from threadmill_shared.log_text import counted, where_raised

_SHOWN = 3
_NAMED = 20


def describe_error(error: BaseException) -> str:
    """Return an unexpected error's class and line; its words may quote a user."""
    return where_raised(error)


def list_runs(run_ids: Sequence[str]) -> str:
    """`0`, `2 (run_a, run_b)`, `25 (run_a, run_b, run_c, ...)`."""
    if not run_ids:
        return "0"
    more = ["..."] if len(run_ids) > _SHOWN else []
    return f"{len(run_ids)} ({', '.join([*run_ids[:_SHOWN], *more])})"


def name_runs(run_ids: Sequence[str]) -> str:
    """`2 runs: run_a, run_b`; of many, the first 20 are named."""
    more = ["..."] if len(run_ids) > _NAMED else []
    return f"{counted(len(run_ids), 'run')}: {', '.join([*run_ids[:_NAMED], *more])}"


def list_counts(counts: Counter[str]) -> str:
    """`pay 6, ship 2`, the most frequent ones first; `...` if there are more."""
    more = ["..."] if len(counts) > _SHOWN else []
    shown = [f"{name} {number}" for name, number in counts.most_common(_SHOWN)]
    return ", ".join([*shown, *more])
