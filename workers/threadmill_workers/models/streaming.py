"""One request to a provider: open the stream, split it, parse it, and close it whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import cast

import aiohttp
import httpx2
from openai import APIError

from threadmill_shared.errors import ModelError, ModelGarbled, ModelUnavailable
from threadmill_shared.model import ModelEvent
from threadmill_workers.models import errors
from threadmill_workers.models.event_parser import EventParser, StreamEnd
from threadmill_workers.models.event_reader import EventReader
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.sse import EventSplitter

DRAIN_SECONDS = 0.1
"""How long the end of a body is waited for, so that its connection can be used again."""
LAST_SECONDS = 10.0
"""How long a stream may be silent after it has told why the model stopped, before that counts as
its end: some servers send neither `[DONE]` nor the end of the body."""

# The client maps not all of aiohttp's errors to its own.
_BROKEN = (httpx2.HTTPError, aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)

Opening = Callable[[], Awaitable[httpx2.Response]]
"""Sends the request, and returns its response without having read the body."""


async def stream_events(
    opening: Opening, parser: EventParser, private: PrivateTexts
) -> AsyncGenerator[ModelEvent, None]:
    """Yield what the parser makes of the stream, `TurnEnded` last.

    Args:
        opening: sends the request.
        parser: knows the API.
        private: what no error's message may repeat.

    Raises:
        ModelError: as `threadmill_shared.model.Model.stream` says.
    """
    splitter, reader = EventSplitter(), EventReader(parser)
    end = StreamEnd.BROKEN
    try:
        response = await opening()
        chunks = _chunks(response)
        try:
            _check_type(response)
            for source in (chunks, _until_silent(chunks)):
                async for chunk in source:
                    for data in splitter.feed(chunk):
                        for event in reader.read(data):
                            yield event
                    if parser.turn is not None:
                        await _drain(chunks)
                        break
                    if source is chunks and parser.has_finished():
                        break
        finally:
            await _close(chunks, response)
        end = StreamEnd.CLOSED
    except Exception as error:  # noqa: BLE001  no list of what a provider can cause is ever whole
        _raise_translated(error, parser, private)
    try:
        for event in (*reader.read_rest(splitter.close()), *reader.end(end)):
            yield event
    except Exception as error:  # noqa: BLE001  as above
        _raise_translated(error, parser, private)
    assert parser.turn is not None  # noqa: S101  the reader has ended it
    yield parser.turn


async def _close(chunks: AsyncGenerator[bytes, None], response: httpx2.Response) -> None:
    try:
        await chunks.aclose()
    finally:
        await response.aclose()


def _raise_translated(error: Exception, parser: EventParser, private: PrivateTexts) -> None:
    """Raise our error for one that has come; if the parser knows what is missing, nothing.

    Causes are left out: a traceback would show their quotes.
    """
    match error:
        case ModelError():
            raise error
        case APIError():
            raise errors.from_sdk(error, private) from None
        case errors.StreamFailed():
            raise errors.from_stream(error.body, private) from None
        case httpx2.ReadTimeout():
            if not parser.has_finished():
                raise ModelUnavailable(
                    "The model provider stopped sending; a retry may succeed."
                ) from None
        case aiohttp.ClientResponseError():
            raise ModelGarbled(
                "The model provider's response is not valid HTTP; check that OPENAI_BASE_URL names"
                " an OpenAI-compatible API."
            ) from None
        case _ if isinstance(error, _BROKEN):
            return
        case _:
            raise ModelGarbled(
                f"The model provider's response cannot be read ({type(error).__name__}); check"
                " that OPENAI_BASE_URL names an OpenAI-compatible API."
            ) from None


def _check_type(response: httpx2.Response) -> None:
    if response.headers.get("content-type", "").startswith("text/html"):
        raise ModelGarbled(
            "The model provider sent a web page in place of an answer; check OPENAI_BASE_URL, and"
            " the proxies on the way."
        )


def _chunks(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """The body as it arrives; decoding is left out if there is nothing to decode."""
    if "content-encoding" in response.headers:
        return response.aiter_bytes()
    # What `aiter_raw` does besides, it does for each piece.
    return cast(
        "AsyncGenerator[bytes, None]", aiter(cast("httpx2.AsyncByteStream", response.stream))
    )


async def _until_silent(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The rest of a body whose answer has ended.

    Raises:
        TimeoutError: the body is left open.
    """
    while True:
        async with asyncio.timeout(LAST_SECONDS):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        yield chunk


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    with suppress(TimeoutError, *_BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
