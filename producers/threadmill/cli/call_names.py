"""How a tool call is named beside its run, whose id is a part of its own."""

from __future__ import annotations


def short_call_id(run_id: str, call_id: str) -> str:
    """What a call's id has after that of its run: `1_0`; all of it, if the run's is not in it."""
    return call_id.removeprefix(f"call_{run_id.removeprefix('run_')}_")


def is_call_named(run_id: str, call_id: str, name: str) -> bool:
    """Whether this is the call's id, or the short form of it."""
    return name in (call_id, short_call_id(run_id, call_id))
