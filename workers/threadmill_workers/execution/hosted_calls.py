"""Calls that the model's provider executes itself: a step for each, logged as it proceeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from threadmill_shared import ids
from threadmill_shared.model import CodeDelta, HostedCallEnded, HostedCallStarted, HostedKind
from threadmill_shared.records.items import HostedCallItem
from threadmill_shared.records.log import (
    HostedCodeDeltas,
    HostedStepBegun,
    HostedStepEnded,
    ToolStepEnded,
)
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.output_files import OutputFiles

_BEGUN: dict[str, dict[str, Any]] = {
    "code_interpreter": {"input": "", "outputs": []},
    "file_search": {},
    "web_search": {},
}


class HostedCalls:
    """Writes the steps of one run's hosted calls; one is open at a time."""

    def __init__(
        self, held: HeldRun, output_files: OutputFiles, take_step: Callable[[], int]
    ) -> None:
        """No call is open.

        Args:
            held: where the steps are written.
            output_files: keeps what the calls have made.
            take_step: gives the number of the run's next step.
        """
        self._held = held
        self._output_files = output_files
        self._take_step = take_step
        self._step: int | None = None
        self._kind = ""
        self._code: list[str] = []

    def is_open(self, kind: HostedKind) -> bool:
        """Whether a call of this kind is open."""
        return self._step is not None and self._kind == kind

    def begin(self, event: HostedCallStarted) -> None:
        """Begin the step of a call; one that is open is closed."""
        self.abandon()
        step = self._step = self._take_step()
        self._kind, self._code = event.kind, []
        batch = Batch()
        batch.step(step, self._body(step, event.kind, _BEGUN[event.kind]))
        batch.number_next_step(step + 1)
        batch.record(HostedStepBegun(step, self._id(step), event.kind))
        self._held.put(batch)

    def write_code(self, event: CodeDelta) -> None:
        """Write a piece of the code of the call."""
        if self._step is None or self._kind != "code_interpreter" or not event.text:
            return
        self._code.append(event.text)
        batch = Batch()
        batch.record(HostedCodeDeltas(self._step, [event.text]))
        self._held.put(batch)

    async def end(self, event: HostedCallEnded) -> None:
        """End the step of the open call; what it has made is kept first, as the step names it."""
        images = await self._output_files.keep_images(event.images)
        step, self._step = self._step, None
        assert step is not None  # noqa: S101  it was begun
        details = event.details
        if event.kind == "code_interpreter":
            details = details | {"outputs": [*details["outputs"], *images]}
            self._write_rest(step, details["input"])
        status = "failed" if event.failed else "completed"
        body = self._body(step, event.kind, details)
        batch = Batch()
        batch.step(step, body, status)
        batch.record(HostedStepEnded(step, status, body))
        self._held.put(batch)

    def _write_rest(self, step: int, code: str) -> None:
        """Write what of the code has not come in pieces."""
        begun = "".join(self._code)
        if code.startswith(begun) and code != begun:
            batch = Batch()
            batch.record(HostedCodeDeltas(step, [code[len(begun) :]]))
            self._held.put(batch)

    def abandon(self) -> None:
        """Close the step of a call whose stream has broken off."""
        step, self._step = self._step, None
        if step is None:
            return
        details = dict(_BEGUN[self._kind])
        if self._code:
            details["input"] = "".join(self._code)
        body = self._body(step, self._kind, details)
        batch = Batch()
        batch.step(step, body, "cancelled")
        batch.record(ToolStepEnded(step, "cancelled", body))
        self._held.put(batch)

    def _id(self, step: int) -> str:
        return ids.hosted_call_id(self._held.record.id, step)

    def _body(self, step: int, kind: str, details: dict[str, Any]) -> dict[str, Any]:
        return {"type": "tool_calls", "hosted": [self._id(step), kind, details], "usage": None}


def hosted_item(record: RunRecord, event: HostedCallEnded) -> HostedCallItem:
    """The call as an item of the thread."""
    return {
        "type": "hosted_call",
        "kind": event.kind,
        "data": event.data,
        "run_id": record.id,
        "at": int(time.time()),
    }
