"""Naming runs in the log: how many, and a few of them."""

from __future__ import annotations

from collections.abc import Sequence

FEW = 3


def named(run_ids: Sequence[str]) -> str:
    """`0`, `2 (run_a, run_b)`, `25 (run_a, run_b, run_c, ...)`."""
    if not run_ids:
        return "0"
    more = ["..."] if len(run_ids) > FEW else []
    return f"{len(run_ids)} ({', '.join([*run_ids[:FEW], *more])})"
