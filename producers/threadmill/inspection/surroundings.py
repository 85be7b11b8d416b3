"""A run, with all that decides when it goes on: its thread, its worker, its queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from threadmill.inspection.workers import WorkerView
from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.inspection import RunPlace
from threadmill_shared.records.objects import Step, ToolCall
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.call_marks import CallMarks
from threadmill_shared.tools import ToolSpec


@dataclass(frozen=True)
class Surroundings:
    """What was read at one time."""

    namespace: str
    place: RunPlace
    steps: tuple[Step, ...]
    workers: tuple[WorkerView, ...]
    failures: Mapping[str, str] = field(default_factory=dict)
    """In which way calls have failed, by their ids, if that is known."""
    absent: tuple[ToolSpec, ...] = ()
    """The functions of calls that could begin, if a live worker had them."""

    @property
    def record(self) -> RunRecord:
        """The run."""
        return self.place.record

    @cached_property
    def marks(self) -> CallMarks:
        """The marks of its calls."""
        return CallMarks(self.place.marks)

    @property
    def ahead(self) -> tuple[str, ...]:
        """The runs that come before it in its thread, the one that holds the thread first."""
        is_waiting = self.place.head not in ("", self.record.id)
        return (self.place.head, *self.place.ahead) if is_waiting else ()

    @property
    def queue(self) -> str:
        """The queue that its message is in, or will be sent to."""
        queues, queue = Queues(self.namespace), self.record.queue
        return queues.of_begun(queue) if self.record.attempts else queue

    @property
    def seconds_since_event(self) -> float | None:
        """Seconds since the newest event in its log; None if there is no log."""
        entry = self.place.last_entry
        return None if entry is None else (self.place.now - entry.at) / 1000

    @property
    def seconds_queued(self) -> float | None:
        """Seconds since a worker may claim it; negative before that; None: not known."""
        at = self.record.queued_at
        return self.seconds_since_event if at is None else (self.place.now - at) / 1000

    def seconds_since(self, at: float) -> float:
        """Seconds since a time that is given in seconds since the epoch."""
        return max(0.0, self.place.now / 1000 - at)

    @property
    def living(self) -> list[WorkerView]:
        """The workers that live, whether or not their event loops answer."""
        return [one for one in self.workers if one.condition != "silent"]

    @property
    def consumers(self) -> list[WorkerView]:
        """The living workers that take runs from its queue."""
        return [one for one in self.living if one.takes_runs and self.queue in one.queues]

    @property
    def stopping(self) -> list[WorkerView]:
        """The workers that took runs from its queue, until they were told to end."""
        stopping = (one for one in self.workers if one.condition == "stopping")
        return [one for one in stopping if self.queue in one.queues]

    @property
    def holder(self) -> WorkerView | None:
        """The worker that holds it; None if none does, or that one is not registered any more."""
        return next((one for one in self.workers if one.id == self.record.holder), None)

    def open_calls(self) -> Iterator[tuple[Step, ToolCall]]:
        """Its calls that have no output yet, with their steps."""
        for step in self.steps:
            if step.status == "in_progress":
                yield from ((step, call) for call in step.tool_calls if call.output is None)

    def is_executed_outside(self, call_id: str) -> bool:
        """Whether a process outside the workers executes a call, and still renews its lease."""
        lease = self.marks.lessee(call_id)
        return lease is not None and lease[1] > self.place.now

    def keeper(self, call_id: str) -> str | None:
        """The worker of which a thread still executes a call that nobody waits for; None: none."""
        uses = ((one.worker, one.tool_threads) for one in self.workers)
        found = (worker for worker, use in uses if use and call_id in use.abandoned_calls)
        return next(found, None)

    def is_executing(self, call: ToolCall) -> bool:
        """Whether the worker that holds it executes this open call.

        A call that was begun stays so marked if it was interrupted, and is then made again by a
        worker that has its function only.
        """
        spec, holder = self.spec(call.name), self.holder
        if spec is None or holder is None or spec.on_interrupt != "retry":
            return self.marks.is_begun(call.id)
        return self.marks.is_begun(call.id) and holder.tools.get(spec.identity) == spec.digest

    def can_begin(self, call: ToolCall) -> bool:
        """Whether a worker that has its function may begin this open call, or make it again."""
        spec, marks = self.spec(call.name), self.marks
        is_allowed = spec is not None and (not spec.needs_approval or marks.is_approved(call.id))
        is_outside = marks.awaited(call.id) or marks.lessee(call.id)
        return is_allowed and not is_outside and not self.is_executing(call)

    def absence(self, spec: ToolSpec) -> str:
        """Why no live worker can execute a function that none has."""
        versions = {one.worker: one.tools.get(spec.identity) for one in self.living}
        others = [name for name, digest in versions.items() if digest not in (None, spec.digest)]
        if others:
            return f"workers have another version of {spec.identity} ({', '.join(others)})"
        return f"no live worker has {spec.identity}"

    def spec(self, name: str) -> ToolSpec | None:
        """The tool of this name that the run can call."""
        return next((tool for tool in self.record.request.tools if tool.name == name), None)
