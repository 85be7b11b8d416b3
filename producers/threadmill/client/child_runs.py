"""Runs that a tool enqueues: their parents, and the threads on which they cannot run."""

from __future__ import annotations

import dataclasses

from threadmill_shared import errors
from threadmill_shared.records.changes import EnqueueCommand
from threadmill_shared.store.store import Store
from threadmill_shared.tools import NoCurrentCall, current_call

DEEPEST = 20
"""The most runs, each enqueued by a tool of the previous one, that are checked."""


async def as_child(new: EnqueueCommand, store: Store) -> EnqueueCommand:
    """The run, as a child of the run whose tool enqueues it; outside of tools, unchanged.

    Raises:
        ThreadLocked: the thread is held by a run that waits, through its tools, for this one.
    """
    try:
        call = current_call()
    except NoCurrentCall:
        return new
    run_id: str | None = call.run_id
    for _ in range(DEEPEST):
        if run_id is None:
            break
        thread_id, parent = await store.runs.thread_and_parent(run_id)
        if thread_id == new.thread_id:
            raise errors.ThreadLocked(
                f"{run_id} holds this thread, and this tool is part of that run, or of one that it "
                "waits for; it would wait for itself. Use another thread.",
                run_id=run_id,
            )
        run_id = parent
    return dataclasses.replace(new, parent=call.run_id)
