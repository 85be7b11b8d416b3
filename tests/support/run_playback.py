"""A run made up for a test: its log's records, read as a real log is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from threadmill.handlers import EventHandler
from threadmill.run import Run
from threadmill_shared.events.decoder import LogDecoder
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.log import LogEntry, count, read_record
from threadmill_shared.records.objects import Message
from threadmill_shared.records.run import RunRecord

RUN_ID = "run_00" + "a" * 30
THREAD_ID = "thread_00" + "a" * 30
AT = 1_700_000_000
"""Seconds; 22:13:20 in UTC."""


def call(name: str, arguments: str = "{}") -> tuple[str, str]:
    return name, arguments


def message(text: str, role: str = "user", **fields: Any) -> Message:
    content = [{"type": "text", "text": {"value": text}}]
    known = {"id": "msg_" + "b" * 32, "created_at": AT, "thread_id": THREAD_ID}
    return Message.model_validate({**known, "role": role, "content": content, **fields})


class RunPlayback:
    """Tells events to a handler, one after the other."""

    def __init__(
        self, handler: EventHandler, says: str | None = "Hello!", name: str = "Marvin"
    ) -> None:
        request = RunSnapshot(
            assistant_id="asst_1", assistant_name=name, model="m", instructions=""
        )
        fields = {
            "thread_id": THREAD_ID,
            "status": "in_progress",
            "request": request.model_dump_json(),
            "queue": "threadmill",
        }
        self._handler = handler
        self._reader = LogDecoder(RunRecord.read(RUN_ID, fields))
        self._last = 0
        self._steps = itertools.count()
        self._messages = itertools.count()
        self._calls = itertools.count()
        run = Run(RUN_ID, THREAD_ID)
        run.assistant_name = name
        run.messages = [] if says is None else [message(says)]
        handler.on_begin(run)

    def tell(self, *record: Any) -> None:
        records = [read_record(record)]
        self._last += sum(map(count, records))
        entry = LogEntry(self._last, records, AT * 1000, AT * 1000)
        for event in self._reader.events(entry):
            self._handler.on_event(event)

    def notice(self, event: str, **data: Any) -> None:
        self.tell("x", event, data)

    def begin_message(self, *deltas: str) -> OpenMessage:
        opened = OpenMessage(self, next(self._messages), next(self._steps))
        self.tell("mb", opened.message, opened.step)
        for delta in deltas:
            opened.add(delta)
        return opened

    def say(self, *deltas: str) -> None:
        self.begin_message(*deltas).complete()

    def begin_calls(self, *calls: tuple[str, str]) -> OpenCalls:
        made = [[f"call_{next(self._calls)}", name, arguments] for name, arguments in calls]
        opened = OpenCalls(self, next(self._steps), made)
        self.tell("tb", opened.step, made)
        return opened

    def begin_hosted(self, kind: str = "code_interpreter") -> OpenHosted:
        opened = OpenHosted(self, next(self._steps), kind)
        self.tell("hb", opened.step, opened.id, kind)
        return opened

    def end(self, status: str = "completed", **results: Any) -> None:
        self.tell("r", status, results)
        self.tell("done")
        self._handler.on_end()

    def leave(self) -> None:
        """The caller waits no longer."""
        self._handler.on_end()


class OpenMessage:
    def __init__(self, story: RunPlayback, number: int, step: int) -> None:
        self.message, self.step = number, step
        self._story = story
        self._text = ""

    def add(self, text: str) -> None:
        self._text += text
        self._story.tell("d", self.message, [text])

    def complete(self) -> None:
        self._story.tell("me", self.message, self.step, self._text, None)

    def break_off(self, reason: str, step_status: str) -> None:
        self._story.tell("mi", self.message, self.step, self._text, reason, step_status, 1)


class OpenHosted:
    def __init__(self, story: RunPlayback, step: int, kind: str) -> None:
        self.step, self.id = step, f"call_s{step}"
        self._story = story
        self._kind = kind

    def write(self, code: str) -> None:
        self._story.tell("hd", self.step, [code])

    def end(self, status: str = "completed", **details: Any) -> None:
        body = {"type": "tool_calls", "hosted": [self.id, self._kind, details], "usage": None}
        self._story.tell("he", self.step, status, body)


class OpenCalls:
    def __init__(self, story: RunPlayback, step: int, calls: Sequence[list[str]]) -> None:
        self.step = step
        self._story = story
        self._calls = calls
        self._outputs: dict[str, str] = {}

    def output(self, index: int, output: str) -> None:
        id = self._calls[index][0]
        self._outputs[id] = output
        self._story.tell("to", self.step, index, id, output)

    def fail(self, index: int, error: str) -> None:
        id, name, _ = self._calls[index]
        self._story.notice("threadmill.tool.failed", call_id=id, name=name, error=error)

    def end(self, status: str = "completed") -> None:
        calls = [[*call, self._outputs.get(call[0])] for call in self._calls]
        self._story.tell("te", self.step, status, {"type": "tool_calls", "calls": calls})
