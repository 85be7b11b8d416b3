"""A handler of the openai package that tells a copy what it has read."""

from __future__ import annotations

from openai import AsyncAssistantEventHandler
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Message, Text, TextDelta
from tests.chaos.stream_copy import StreamCopy
from typing_extensions import override


class PackageReader(AsyncAssistantEventHandler):
    """The package joins the text; the copy compares it with the thread's."""

    def __init__(self, copy: StreamCopy) -> None:
        super().__init__()
        self._copy = copy
        self._text = ""

    @override
    async def on_event(self, event: AssistantStreamEvent) -> None:
        if event.event == "thread.message.created":
            content = event.data.content
            self._text = content[0].text.value if content and content[0].type == "text" else ""
        elif event.event.startswith("thread.run.") and ".step." not in event.event:
            self._copy.note_status(event.data.status)

    @override
    async def on_text_delta(self, delta: TextDelta, snapshot: Text) -> None:
        self._text = snapshot.value

    @override
    async def on_message_done(self, message: Message) -> None:
        if message.status == "completed":
            self._copy.complete(message.id, self._text, message.content[0].text.value)

    @override
    async def on_end(self) -> None:
        self._copy.end_entered()
