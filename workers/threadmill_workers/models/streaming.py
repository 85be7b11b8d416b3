"""One request to a provider: open the stream, split it, parse it, and close it whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from typing import Any, Protocol

import aiohttp
import httpx2
from openai import APIError, AsyncAPIResponse
from pydantic_core import from_json

from threadmill_shared.errors import ModelError, ModelGarbled, ModelUnavailable
from threadmill_shared.model import ModelEvent, TurnEnded
from threadmill_workers.models import errors
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.sse import EventSplitter

DRAIN_SECONDS = 0.1
"""How long the end of a body is waited for, so that its connection can be used again."""

# The client maps not all of aiohttp's errors to its own.
_BROKEN = (httpx2.HTTPError, aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)

Opening = Callable[[AsyncExitStack], Awaitable[AsyncAPIResponse[Any]]]
"""Sends the request, and leaves the closing of its response to the stack."""


class EventParser(Protocol):
    """Turns the events of one stream of one API into ours."""

    turn: TurnEnded | None
    """Set when the stream has announced its end."""

    def parse(self, event: dict[str, Any]) -> Sequence[ModelEvent]:
        """Return what this event means.

        Raises:
            StreamFailed: the provider reports an error.
            Exception: it violates the protocol.
        """
        ...

    def close(self) -> TurnEnded:
        """Return the turn's end, for a stream that ended without telling it.

        Raises:
            ModelGarbled: the stream broke off.
        """
        ...


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
    with _failures_translated(private):
        async with AsyncExitStack() as stack:
            response = await opening(stack)
            chunks = await stack.enter_async_context(aclosing(_chunks(response.http_response)))
            splitter = EventSplitter()
            async for chunk in chunks:
                for data in splitter.feed(chunk):
                    for event in _parse(parser, data):
                        yield event
                if parser.turn is not None:
                    await _drain(chunks)
                    break
    yield parser.turn or parser.close()


@contextmanager
def _failures_translated(private: PrivateTexts) -> Generator[None, None, None]:
    """Raise what failed as our errors, without causes: a traceback would show their quotes."""
    try:
        with _known_failures(private):
            yield
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001  no list of what a provider can cause is ever whole
        raise ModelGarbled(
            f"The model provider's response cannot be read ({type(error).__name__}); check that"
            " OPENAI_BASE_URL names an OpenAI-compatible API."
        ) from None


@contextmanager
def _known_failures(private: PrivateTexts) -> Generator[None, None, None]:
    try:
        yield
    except APIError as error:
        raise errors.from_sdk(error, private) from None
    except errors.StreamFailed as failed:
        raise errors.from_stream(failed.body, private) from None
    except httpx2.ReadTimeout:
        raise ModelUnavailable("The model provider stopped sending; a retry may succeed.") from None
    except aiohttp.ClientResponseError:
        raise ModelGarbled(
            "The model provider's response is not valid HTTP; check that OPENAI_BASE_URL names an"
            " OpenAI-compatible API."
        ) from None
    except _BROKEN:
        pass  # The parser knows whether anything is missing.


def _chunks(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """The body as it arrives; decoding is left out if there is nothing to decode."""
    if "content-encoding" in response.headers:
        return response.aiter_bytes()
    return response.aiter_raw()


def _parse(parser: EventParser, data: bytes) -> Sequence[ModelEvent]:
    if parser.turn is not None:
        return ()
    if data == b"[DONE]":
        parser.turn = parser.close()
        return ()
    try:
        return parser.parse(from_json(data))
    except (errors.StreamFailed, ModelError):
        raise
    except Exception as error:  # noqa: BLE001  an event may hold anything, in any place
        raise ModelGarbled(
            "The model provider sent an event that violates its protocol"
            f" ({type(error).__name__}); check that THREADMILL_MODEL_API is the API that"
            " OPENAI_BASE_URL speaks."
        ) from None


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    with suppress(TimeoutError, *_BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
