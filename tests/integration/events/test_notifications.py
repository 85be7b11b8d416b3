"""The notifications of a process: one subscription for all channels, which outlives its loss."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.support.servers.clients import ask_all
from tests.support.servers.silent_proxy import Proxy
from tests.support.waiting import wait_until_async

from threadmill_shared.events.notifications import Notifications
from threadmill_shared.store.connections import connect
from threadmill_shared.store.subscription import ChannelSubscription


@pytest.fixture
def server(redis_url, run):
    """A connection that looks from outside, and rings."""
    client = connect(redis_url)
    yield client
    run(client.aclose())


async def subscribed(server, *channels):
    """Wait until each of the channels has one subscription, and no more."""

    async def is_so() -> bool:
        nodes = await ask_all(server, "pubsub_numsub", *channels)
        found = [[number for _, number in node] for node in nodes]
        return [sum(numbers) for numbers in zip(*found, strict=True)] == [1] * len(channels)

    await wait_until_async(is_so)


async def test_a_hundred_channels_take_one_connection(notifications, server):
    channels = [f"channel:{number}" for number in range(100)]
    async with AsyncExitStack() as stack:
        heard = [await stack.enter_async_context(notifications.listen(name)) for name in channels]
        await subscribed(server, *channels)

        assert sum(map(len, await ask_all(server, "client_list", _type="pubsub"))) == 1
        await server.publish("channel:42", "ding")
        await asyncio.wait_for(heard[42].wait(), 5)
        assert [bell.is_set() for bell in heard].count(True) == 1


async def test_all_listeners_of_a_channel_hear_it_until_the_last_one_has_left(
    notifications, server
):
    async with notifications.listen("a") as first:
        async with notifications.listen("a") as second:
            await subscribed(server, "a")
            await server.publish("a", "ding")
            await asyncio.wait_for(asyncio.gather(first.wait(), second.wait()), 5)

        first.clear()
        await server.publish("a", "dong")
        await asyncio.wait_for(first.wait(), 5)

    await wait_until_async(lambda: _is_silent(server))


async def test_a_channel_can_be_listened_to_again(notifications, server):
    for _ in range(3):
        async with notifications.listen("a") as bell:
            await subscribed(server, "a")
            await server.publish("a", "ding")
            await asyncio.wait_for(bell.wait(), 5)
        await wait_until_async(lambda: _is_silent(server))


async def test_a_channel_that_could_not_be_left_is_left_when_it_rings(
    notifications, server, monkeypatch
):
    async with notifications.listen("channel"):
        await subscribed(server, "channel")

        async def fail(channel: str) -> None:
            raise ConnectionError

        monkeypatch.setattr(notifications._subscription, "unsubscribe", fail)
    monkeypatch.undo()
    async with notifications.listen("another"):
        await server.publish("channel", "is anybody there?")

        async def is_left() -> bool:
            return "channel" not in str(await ask_all(server, "pubsub_channels"))

        await wait_until_async(is_left, "the channel is left")


async def test_what_a_channel_says_is_heard_in_order(notifications, server, channel):
    async with notifications.hear(channel) as words:
        await subscribed(server, channel)
        for word in ("one", "two", "three"):
            await server.publish(channel, word)

        heard = [await asyncio.wait_for(anext(words), 5) for _ in range(3)]

        await words.aclose()
    assert heard == ["one", "two", "three"]


async def test_a_subscription_that_was_cut_is_made_again_for_all_channels(notifications, server):
    async with notifications.listen("a") as first, notifications.listen("b") as second:
        await subscribed(server, "a", "b")
        await ask_all(server, "client_kill_filter", _type="pubsub")
        await subscribed(server, "a", "b")

        # A cluster drops what is published while two of its nodes have lost sight of each other.
        async def are_notified() -> bool:
            await server.publish("a", "ding")
            await server.publish("b", "ding")
            return first.is_set() and second.is_set()

        await wait_until_async(are_notified)


async def test_an_end_leaves_no_subscription(redis_url, server):
    client = connect(redis_url, socket_timeout=None)
    notifications = Notifications(ChannelSubscription(client))
    async with notifications.listen("a"):
        await subscribed(server, "a")
        await notifications.close()
        await wait_until_async(lambda: _is_silent(server))
    await client.aclose()


async def _is_silent(server):
    return not any(await ask_all(server, "pubsub_channels"))


# ---- a server that falls silent -----------------------------------------------------------------


@pytest.mark.one_server
async def test_a_server_that_vanished_is_noticed_and_another_connection_subscribes(
    redis_server, server, monkeypatch
):
    monkeypatch.setattr("threadmill_shared.store.subscription.SILENT_SECONDS", 0.2)
    monkeypatch.setattr("threadmill_shared.events.notifications.IDLE_SECONDS", 0.1)
    async with Proxy(redis_server.port) as proxy:
        client = connect(f"redis://127.0.0.1:{proxy.port}", socket_timeout=None)
        notifications = Notifications(ChannelSubscription(client))
        async with notifications.listen("channel") as bell:
            await server.publish("channel", "before")
            await asyncio.wait_for(bell.wait(), 3)
            proxy.silence()
            bell.clear()

            async def rings_again() -> bool:
                await server.publish("channel", "after")
                return bell.is_set()

            await wait_until_async(rings_again, "it rings again")
        await notifications.close()
        await client.aclose()


async def test_a_server_that_has_nothing_to_say_keeps_its_connection(
    server, notifications, monkeypatch
):
    monkeypatch.setattr("threadmill_shared.store.subscription.SILENT_SECONDS", 0.1)
    monkeypatch.setattr("threadmill_shared.events.notifications.IDLE_SECONDS", 0.05)
    async with notifications.listen("channel"):
        await subscribed(server, "channel")
        before = await _subscribers(server)
        await asyncio.sleep(1)  # several times as long as it may be silent
        assert await _subscribers(server) == before


async def _subscribers(server) -> list[str]:
    nodes = await ask_all(server, "client_list", _type="pubsub")
    return [client["id"] for node in nodes for client in node]
