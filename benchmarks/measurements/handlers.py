"""What an event handler costs per text delta, beside the openai package's own stream of events.

The package's stream is read from memory, ours from Redis.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from typing import Any

import httpx2
import openai
from harness.cpu import Stopwatch
from harness.effort import Effort
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import emptied
from harness.workers import worker

from threadmill import Assistant, EventHandler

PEER = "the SDK's own stream"
FIGURES = (
    Figure("handler.openai", "openai's handler class, CPU per text delta", "µs", (PEER,)),
    Figure("handler.own", "threadmill's handler class, CPU per text delta", "µs", (PEER,)),
)
TOKENS = 2000
MESSAGE = f"tokens={TOKENS} delay=0"


class Theirs(openai.AsyncAssistantEventHandler):
    """Counts deltas."""

    def __init__(self) -> None:
        super().__init__()
        self.deltas = 0

    async def on_text_delta(self, delta: Any, snapshot: Any) -> None:  # noqa: ARG002
        self.deltas += 1


class Own(EventHandler):
    """Does nothing with deltas."""

    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        """A hook is called for each of them."""


def measure(effort: Effort) -> list[Result]:
    """Measure; the package's stream is made of the events of a run."""
    warnings.simplefilter("ignore", DeprecationWarning)
    emptied()
    with worker():
        body = _sse(Assistant(name="bench"))
        contenders = {"threadmill": _ours, PEER: lambda: asyncio.run(_package(body))}
        return results(FIGURES, alternate(effort.limited(rounds=3), contenders))


def _ours() -> Values:
    return {"handler.openai": _said(Theirs), "handler.own": _said(Own)}


def _said(handler_class: type[Any]) -> float:
    watch = Stopwatch()
    Assistant(name="bench").say(MESSAGE, event_handler_class=handler_class)
    return watch.cpu / TOKENS * 1e6


def _sse(ai: Assistant) -> bytes:
    """The stream that the package would get for a run."""
    return b"".join(
        f"event: {event.event}\ndata: {_data(event.data)}\n\n".encode()
        for event in ai.enqueue(MESSAGE).events()
        if event.event.startswith(("thread.", "done"))
    )


def _data(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data)


async def _package(body: bytes) -> Values:
    answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    transport = httpx2.MockTransport(lambda _: answer)
    handler = Theirs()
    async with httpx2.AsyncClient(transport=transport) as http:
        client = openai.AsyncOpenAI(http_client=http, max_retries=0)
        watch = Stopwatch()
        async with client.beta.threads.runs.stream(
            thread_id="thread_1", assistant_id="asst_1", event_handler=handler
        ) as stream:
            await stream.until_done()
    if handler.deltas != TOKENS:
        raise RuntimeError(f"the package has seen {handler.deltas} deltas, not {TOKENS}")
    value = watch.cpu / TOKENS * 1e6
    return {"handler.openai": value, "handler.own": value}
