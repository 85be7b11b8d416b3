"""A stream that nobody reads any more is closed at once."""

import asyncio
import time

import pytest
from tests.support.environment import stretched
from tests.support.scripted_provider import Api, Exchange, asking, request

from threadmill_shared.model import (
    TextDelta,
)


async def silent_before_the_head(api: Api, exchange: Exchange) -> None:
    del api, exchange


async def silent_after_the_head(api: Api, exchange: Exchange) -> None:
    await exchange.begin()


async def silent_after_text(api: Api, exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.send(api.text("Once"))


@pytest.mark.parametrize(
    "before", [silent_before_the_head, silent_after_the_head, silent_after_text]
)
def test_cancelling_the_reader_closes_the_silent_connection_at_once(api, before):
    async def ask():
        silent = asyncio.Event()
        closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def play(exchange):
            await before(api, exchange)
            silent.set()
            closed.set_result(await exchange.wait_for_close())

        async def turn(model):
            async for _ in model.stream(request()):
                pass

        async with asking(api, play) as (model, _):
            task = asyncio.create_task(turn(model))
            await silent.wait()
            await asyncio.wait({task}, timeout=0.05)
            cancelled = time.monotonic()
            task.cancel()
            took = await asyncio.wait_for(closed, 10) - cancelled
            with pytest.raises(asyncio.CancelledError):
                await task
            return took

    assert asyncio.run(ask()) < stretched(0.1)


@pytest.mark.parametrize("busy", [False, True])
def test_closing_the_generator_closes_the_connection_at_once(api, busy):
    async def ask():
        closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def play(exchange):
            await exchange.begin()
            await exchange.send(api.text("Once"))
            end = asyncio.create_task(exchange.wait_for_close())
            while busy and not end.done():
                await exchange.send(api.text("more"))
                await asyncio.wait({end}, timeout=0.001)
            closed.set_result(await end)

        async with asking(api, play) as (model, _):
            stream = model.stream(request())
            assert await anext(stream) == TextDelta("Once")
            begun = time.monotonic()
            await stream.aclose()
            return await asyncio.wait_for(closed, 10) - begun

    assert asyncio.run(ask()) < stretched(0.1)
