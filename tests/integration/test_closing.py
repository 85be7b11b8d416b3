"""What is closed ends, at whatever moment it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr
from redis import Redis
from tests.support.environment import isolated_environment, stretched
from tests.support.processes.commands import STRICT, run_command
from tests.support.waiting import wait_until

from threadmill.client.bridge import Bridge, BridgeClosed
from threadmill.client.client import Client
from threadmill.embedded.server import keep_server
from threadmill.testing import StandIn
from threadmill_shared.broker.broker_health import BrokerHealth
from threadmill_shared.broker.queues import Queues
from threadmill_shared.cancellation import cancel_others
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings, load_settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.pipeline import Command
from threadmill_shared.store.store import Store
from threadmill_shared.store.subscription import ChannelSubscription
from threadmill_workers.consuming.consumer_service import ConsumerService
from threadmill_workers.service import Catalog, WorkerProcess, model_factory

TURNS = 60
"""Of the event loop, from the first command to its answer and beyond."""


async def wait_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(TURNS))
async def test_a_store_closes_whatever_is_being_sent(redis_url: str, turns: int) -> None:
    store = Store(connect(redis_url), "tm")
    await store.session.runner.command("PING")
    reading = [asyncio.ensure_future(store.session.runner.command("PING")) for _ in range(3)]
    await wait_turns(turns)
    begun = time.monotonic()
    await store.close()
    assert time.monotonic() - begun < stretched(1)
    for one in reading:
        one.cancel()
    await asyncio.wait(reading)


@pytest.mark.parametrize("turns", range(TURNS))
async def test_bells_close_whatever_they_do(redis_url: str, turns: int) -> None:
    client = connect(redis_url)
    notifications = Notifications(ChannelSubscription(client))
    async with notifications.listen("a"):
        await wait_turns(turns)
    begun = time.monotonic()
    await notifications.close()
    assert time.monotonic() - begun < stretched(1)
    await client.aclose()


@pytest.mark.parametrize("milliseconds", range(1, 9))
def test_a_client_leaves_no_connection_whoever_asks_again_and_again(
    redis_url: str, milliseconds: int
) -> None:
    server = Redis.from_url(redis_url)
    before = {one["id"] for one in server.client_list()}  # other tests have used this database
    client = Client(Settings(redis_url=redis_url))

    async def ask() -> None:
        while True:
            await client.store.session.pipeline.execute_all([("PING",)])

    asking = [client.call(ask()).future for _ in range(3)]
    wait(asking, timeout=milliseconds / 1000)
    client.close()
    for one in asking:
        with pytest.raises(BridgeClosed, match="Load it again"):
            one.result()
    left: list[Any] = []

    def is_alone() -> bool:
        left[:] = [one for one in server.client_list() if one["id"] not in before]
        return not left

    with server:
        # A server that is busy notices later that connections were closed.
        wait_until(is_alone, f"no connection is left: {left}")


def test_what_a_patient_bridge_cancels_at_its_end_has_time_to_clean_up() -> None:
    done: list[str] = []
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)
            done.append("cleaned up")

    bridge = Bridge("patient", is_patient=True)
    call = bridge.call(work())
    begun.wait()
    bridge.close()
    assert done == ["cleaned up"]
    assert call.future.done()


ENDS = """
import asyncio, threading
from threadmill.client.bridge import BridgeClosed
from threadmill.client.current import current_client
from threadmill_shared.records.changes import Dispatch
client = current_client()
connection = client.store.session.pipeline._connection
is_asked, ask = threading.Event(), connection.ask_each
def ends():
    try: client.check_open()
    except BridgeClosed: return True
async def ask_at_the_end(commands):
    is_asked.set()
    while not ends():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    return await ask(commands)
connection.ask_each = ask_at_the_end
client.call(client.store.server.ping())
is_asked.wait()
client.call_soon(lambda: client._sender.send(Dispatch("run_1", "a-queue-of-a-test")))
"""
"""Redis is slow, and the process ends when a task is to be sent."""


@pytest.mark.parametrize("end", ["client.close()", ""])
def test_a_task_that_waits_for_a_slow_redis_is_sent_before_the_process_ends(
    redis_url: str, end: str
) -> None:
    environment = os.environ | {"THREADMILL_REDIS_URL": redis_url}
    ended = run_command(*STRICT, "-c", ENDS + end, environment=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    with Redis.from_url(redis_url) as server:
        assert server.llen("a-queue-of-a-test") == 1
        server.unlink("a-queue-of-a-test")


def test_a_task_that_waits_for_a_slow_redis_is_sent_before_a_worker_ends(
    redis_url: str,
) -> None:
    with StandIn() as standin, isolated_environment(redis_url, standin, "responses"):
        settings = load_settings()
        process = WorkerProcess(settings, Catalog(), model_factory(settings))
        process.start()
        store, sender = process._runtime._store, process._sender
        is_asked, may_answer = hold_up(store)
        asking = process._loop.begin(store.server.ping())
        assert is_asked.wait(stretched(10))
        send = partial(sender.send, Dispatch("run_1", settings.namespace))
        process._loop.loop.call_soon_threadsafe(send)
        closing = threading.Thread(target=process.close)
        closing.start()
        wait_until(lambda: process._lease.is_closed, "it ends")
        time.sleep(0.05)
        may_answer.set()
        closing.join()
        wait([asking], timeout=0)
    with Redis.from_url(redis_url) as server:
        assert server.llen(settings.namespace) == 1


def hold_up(store: Store) -> tuple[threading.Event, threading.Event]:
    """From now on the store asks Redis only when it may; the first event says that it waits."""
    connection = store.session.pipeline._connection
    is_asked, may_ask, ask = threading.Event(), threading.Event(), connection.ask_each

    async def ask_later(commands: Sequence[Command]) -> list[Any]:
        is_asked.set()
        while not may_ask.is_set():
            await asyncio.sleep(0.01)
        return await ask(commands)

    connection.ask_each = ask_later  # type: ignore[method-assign]
    return is_asked, may_ask


def is_closed(bridge: Bridge) -> bool:
    try:
        bridge.call(asyncio.sleep(0))
    except BridgeClosed:
        return True
    return False


def test_work_that_is_given_up_as_the_bridge_closes_leaves_no_message_behind() -> None:
    begun, go_on = threading.Event(), threading.Event()
    logged: list[dict[str, Any]] = []

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    bridge = Bridge("given up")
    bridge.loop.set_exception_handler(lambda _, context: logged.append(context))
    given_up = bridge.call(work()).future
    begun.wait()
    bridge.loop.call_soon_threadsafe(go_on.wait)
    given_up.cancel()
    closing = threading.Thread(target=bridge.close)
    closing.start()
    wait_until(lambda: is_closed(bridge), "it closes, before its loop gets on")
    go_on.set()
    closing.join()
    del given_up
    gc.collect()  # an error that nobody has asked for says so now
    assert logged == []


def test_work_that_is_given_up_before_it_begins_is_closed() -> None:
    async def work() -> None:
        await asyncio.sleep(60)

    bridge, may_run, given = Bridge(), threading.Event(), work()
    bridge.loop.call_soon_threadsafe(may_run.wait)
    bridge.call(given).future.cancel()  # Python 3.14 cancels it before its first step
    may_run.set()
    bridge.close()
    gc.collect()
    assert inspect.getcoroutinestate(given) == inspect.CORO_CLOSED


async def test_tasks_that_ignore_their_cancellation_are_not_waited_for_for_ever() -> None:
    async def stubborn() -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    over = asyncio.Event()
    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    begun = time.monotonic()
    await cancel_others(0.3)
    assert 0.3 <= time.monotonic() - begun < stretched(1)
    over.set()
    await task


@pytest.mark.quiet
def test_an_embedded_consumer_does_not_wait_until_its_queue_has_been_empty_for_a_second(
    tmp_path: Path,
) -> None:
    seconds = 0.0
    with keep_server(tmp_path / "data") as url:
        settings = Settings(redis_url=SecretStr(url))
        for number in range(4):
            queue = Queues(settings.namespace).embedded(f"{number}-of-a-test")
            consumer = ConsumerService(
                settings,
                cast("Any", None),  # it gets no task
                queues=[queue],
                hostname=f"threadmill@test:{number}-of-a-test",
                health=BrokerHealth(settings.celery_url()),
            )
            ready = threading.Event()
            serving = threading.Thread(target=consumer.serve, args=(ready.set,))
            serving.start()
            assert ready.wait(stretched(30))
            with Redis.from_url(url) as server:
                wait_until(lambda: polls(server) == 1, "it waits for a message", stretched(30))
            begun = time.monotonic()
            consumer.stop()
            serving.join()
            seconds += time.monotonic() - begun
    assert seconds < stretched(1)  # otherwise half a second each


def polls(server: Redis) -> int:
    """How many clients wait for a message."""
    clients: list[dict[str, str]] = server.client_list()
    return sum(one["cmd"] == "brpop" for one in clients)
