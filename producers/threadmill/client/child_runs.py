"""Runs that a tool enqueues: their parents, and the threads on which they cannot run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from threadmill_shared import errors
from threadmill_shared.records.changes import EnqueueCommand
from threadmill_shared.store.store import Store
from threadmill_shared.tools import NoCurrentCall, current_call

DEEPEST = 20
"""The most runs, each enqueued by a tool of the previous one, that are checked."""


@dataclass(frozen=True)
class Ancestry:
    """The runs whose tools wait for what is enqueued here; outside of tools there are none."""

    parent: str | None = None
    threads: Mapping[str, str] = field(default_factory=dict)
    """The threads that they hold, and which of them holds each."""

    @classmethod
    async def read(cls, store: Store) -> Ancestry:
        """That of the tool call that is executed here."""
        try:
            call = current_call()
        except NoCurrentCall:
            return cls()
        run_id: str | None = call.run_id
        threads: dict[str, str] = {}
        for _ in range(DEEPEST):
            if run_id is None:
                break
            thread_id, parent = await store.runs.thread_and_parent(run_id)
            if thread_id is not None:
                threads.setdefault(thread_id, run_id)
            run_id = parent
        return cls(call.run_id, threads)

    def adopt(self, new: EnqueueCommand) -> EnqueueCommand:
        """The run as their child; outside of tools, unchanged.

        Raises:
            ThreadLocked: its thread is held by a run that waits, through its tools, for this one.
        """
        if (holder := self.threads.get(new.thread_id)) is not None:
            raise errors.ThreadLocked(
                f"{holder} holds this thread, and this tool is part of that run, or of one that it "
                "waits for; it would wait for itself. Use another thread.",
                run_id=holder,
            )
        return new if self.parent is None else replace(new, parent=self.parent)
