"""Reading a body with the parser of an API, without a server; what an answer is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

import httpx2

from threadmill_shared.errors import ModelError
from threadmill_shared.model import (
    FinishReason,
    ModelEvent,
    TextDelta,
    ToolCalled,
    TurnEnded,
    Usage,
)
from threadmill_workers.models.chat_parser import ChatParser
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.responses_parser import ResponsesParser
from threadmill_workers.models.streaming import stream_events


class Body(httpx2.AsyncByteStream):
    """An answer's body, which may break off at its end, or be left open."""

    def __init__(
        self, pieces: Iterable[bytes], failure: Exception | None, *, stays_open: bool
    ) -> None:
        self._pieces = pieces
        self._failure = failure
        self._stays_open = stays_open

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._failure is not None:
            raise self._failure
        if self._stays_open:
            await asyncio.sleep(3600)


@dataclass(frozen=True)
class Answer:
    """What a model has said in one turn."""

    text: str = ""
    calls: Sequence[tuple[str, str]] = ()
    """Names and arguments."""
    stop: FinishReason = FinishReason.END
    usage: Usage = field(default_factory=Usage)


def read_stream(
    api: str,
    *pieces: bytes,
    tools: Iterable[str] = (),
    failure: Exception | None = None,
    stays_open: bool = False,
) -> tuple[list[ModelEvent], ModelError | None]:
    """The events of one turn, and the error that ended it."""
    parser = ChatParser(tuple(tools)) if api == "chat" else ResponsesParser()

    async def opening() -> httpx2.Response:
        return httpx2.Response(200, stream=Body(pieces, failure, stays_open=stays_open))

    async def ask() -> tuple[list[ModelEvent], ModelError | None]:
        found: list[ModelEvent] = []
        try:
            async for event in stream_events(opening, parser, PrivateTexts()):
                found.append(event)  # noqa: PERF401  those before the error count, too
        except ModelError as error:
            return found, error
        return found, None

    return asyncio.run(ask())


def answer_in(events: Sequence[ModelEvent]) -> Answer:
    """The answer that these events are."""
    end = events[-1]
    assert isinstance(end, TurnEnded)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = tuple((one.name, one.arguments) for one in events if isinstance(one, ToolCalled))
    return Answer(text, calls, end.stop, end.usage)
