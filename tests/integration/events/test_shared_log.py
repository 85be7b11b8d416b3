"""Many tails of one run in one process: each gets all events, and the log is read once for all."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.conftest import NAMESPACE
from tests.support.servers.clients import ask_all
from tests.support.servers.snapshot import Snapshot
from tests.support.store.scene import Scene, end_message, write_partly
from tests.support.waiting import wait_until_async

from threadmill_shared import errors
from threadmill_shared.events.decoder import DONE, Event
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.events.shared_log import READ_ENTRIES
from threadmill_shared.records.run import Status
from threadmill_workers.execution.held_run import HeldRun

pytestmark = pytest.mark.made_up_log
TAILS = 30


@pytest.fixture
def tails(scene: Scene, notifications):
    return LogFollower(scene.store, notifications)


async def follow(tails: LogFollower, run_id: str, after: int = 0) -> list[Event]:
    return [event async for group in tails.follow(run_id, after) for event in group]


async def write(held: HeldRun, *texts: str) -> None:
    for text in texts:
        held.delta(0, text)
    await held.stored()


async def finish(held: HeldRun) -> None:
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))


async def calls(client, command: str) -> int:
    statistics = await ask_all(client, "info", "commandstats")
    return sum(node.get(f"cmdstat_{command}", {"calls": 0})["calls"] for node in statistics)


async def test_a_log_is_read_once_for_all_tails_that_wait_for_it(scene, client, tails):
    held = await scene.begin()
    await write_partly(held)
    groups = [tails.follow(held.record.id) for _ in range(TAILS)]
    await asyncio.gather(*map(anext, groups))
    await ask_all(client, "config_resetstat")

    for number in range(10):
        waiting = [asyncio.ensure_future(anext(one)) for one in groups]
        await asyncio.sleep(0.03)
        await write(held, f"{number} ")
        assert len({tuple(event.id for event in await one) for one in waiting}) == 1

    assert await calls(client, "xrange") <= 3 * 10
    assert await calls(client, "hgetall") <= TAILS + 10  # a notification may come late, once
    for one in groups:
        await one.aclose()


@pytest.mark.parametrize("seed", range(4))
async def test_tails_that_come_pause_and_go_get_what_a_single_one_gets(scene, tails, seed):
    choose = random.Random(seed)
    held = await scene.begin()
    await write_partly(held)
    wanted = asyncio.ensure_future(follow(tails, held.record.id))

    async def tail(after: int, pause: float) -> tuple[int, list[Event]]:
        found: list[Event] = []
        pauses = random.Random(after)  # of its own: who comes and goes depends on the seed alone
        async for group in tails.follow(held.record.id, after):
            found += group
            await asyncio.sleep(pause * pauses.random())
        return after, found

    following: list[asyncio.Task[tuple[int, list[Event]]]] = []
    for number in range(60):
        if choose.random() < 0.3:
            after = choose.randrange(2 + number)
            pause = choose.choice([0, 0, 0.02, 0.2])
            following.append(asyncio.ensure_future(tail(after, pause)))
        if following and choose.random() < 0.1:
            choose.choice(following).cancel()
        await write(held, *(f"{number}.{n} " for n in range(choose.randint(1, 4))))
    await finish(held)

    events = await wanted
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    done = await asyncio.gather(*following, return_exceptions=True)
    assert [one for one in done if not isinstance(one, tuple | asyncio.CancelledError)] == []
    whole = [one for one in done if isinstance(one, tuple)]
    assert len(whole) > 5
    for after, found in whole:
        assert found == events[after:]
        assert [event.at for event in found] == [event.at for event in events[after:]]


async def test_what_one_tail_does_with_an_event_no_other_one_sees(scene, tails):
    held = await scene.begin()
    await write_partly(held)

    async def spoil() -> None:
        async for group in tails.follow(held.record.id):
            for event in group:
                if isinstance(event.data, dict):
                    event.data.clear()

    spoiling = [asyncio.ensure_future(spoil()) for _ in range(3)]
    reading = [asyncio.ensure_future(follow(tails, held.record.id)) for _ in range(3)]
    for number in range(10):
        await write(held, f"{number} ")
    await finish(held)

    await asyncio.gather(*spoiling)
    wanted = await scene.events(held.record.id)
    assert [one == wanted for one in await asyncio.gather(*reading)] == [True] * 3


async def test_what_a_single_tail_changes_those_that_come_later_do_not_see(scene, tails):
    held = await scene.begin()
    spoiled: list[Event] = []
    first = tails.follow(held.record.id)
    while len(spoiled) < 3:
        spoiled += await anext(first)
    for event in spoiled:
        event.data["metadata"]["spoiled"] = "yes"
        event.data["truncation_strategy"].clear()
        event.data["tools"].append("spoiled")
    await finish(held)

    later = await follow(tails, held.record.id)

    assert later == await scene.events(held.record.id)
    assert "spoiled" not in str(later)
    await first.aclose()


async def test_a_tail_that_takes_nothing_holds_up_no_other_and_keeps_little(scene, tails):
    held = await scene.begin()
    await write_partly(held)
    slow = tails.follow(held.record.id)
    first = await anext(slow)
    others = [asyncio.ensure_future(follow(tails, held.record.id)) for _ in range(2)]

    for number in range(300):
        await write(held, *[f"{number} "] * 5)
    [log] = tails._logs.values()
    assert sum(len(page.events) for page in log._kept.values()) <= 512
    await finish(held)

    found = await asyncio.gather(*others)
    rest = [event async for group in slow for event in group]
    assert [*first, *rest] == found[0] == found[1]
    assert not tails._logs


@pytest.mark.any_server
async def test_of_large_events_few_are_kept(scene, tails):
    held = await scene.begin()
    await write_partly(held)
    following = [asyncio.ensure_future(follow(tails, held.record.id)) for _ in range(2)]
    await wait_until_async(lambda: [log.readers for log in tails._logs.values()] == [2])
    [log] = tails._logs.values()

    for _ in range(30):
        await write(held, "x" * 100_000)
        assert sum(page.size for page in log._kept.values()) <= 1_000_000
    await finish(held)

    first, second = await asyncio.gather(*following)
    assert first == second


@pytest.mark.any_server
@pytest.mark.parametrize("has_ended", [False, True])
async def test_a_tail_that_joins_others_gets_what_they_have_read_without_a_pause(
    scene, tails, monkeypatch, has_ended
):
    monkeypatch.setattr("threadmill_shared.events.follow.IDLE_SECONDS", 60)
    held = await scene.begin()
    await write_partly(held)
    groups = [tails.follow(held.record.id) for _ in range(2)]
    await asyncio.gather(*map(anext, groups))
    for number in range(READ_ENTRIES + 20):
        await write(held, f"{number} ")
        await asyncio.gather(*map(anext, groups))
    if has_ended:
        await finish(held)
    wanted = await scene.events(held.record.id)

    late, found = tails.follow(held.record.id), list[Event]()
    while len(found) < len(wanted):
        found += await asyncio.wait_for(anext(late), 10)

    assert found == wanted
    for one in (*groups, late):
        await one.aclose()


async def test_all_tails_are_told_that_the_log_has_gone_back(scene, tails, redis_url):
    held = await scene.begin()
    await write_partly(held, "kept")
    snapshot = Snapshot(redis_url, NAMESPACE)
    await write(held, "lost")
    groups = [tails.follow(held.record.id) for _ in range(3)]
    await asyncio.gather(*map(anext, groups))

    snapshot.restore()

    for one in groups:
        with pytest.raises(errors.LogRewound, match="gone back"):
            await asyncio.wait_for(anext(one), 3)


@pytest.mark.quiet
async def test_a_tail_that_comes_after_a_rewind_is_woken_at_once_beside_one_that_is_asleep(
    scene, tails, redis_url
):
    held = await scene.begin()
    await write_partly(held)
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await write(held, "one", "two", "three")
    asleep = tails.follow(held.record.id)
    await anext(asleep)
    snapshot.restore()
    held._stream.serial = serial

    late = asyncio.ensure_future(follow(tails, held.record.id))
    await wait_until_async(lambda: next(iter(tails._logs.values())).readers == 2)
    begun = asyncio.get_running_loop().time()
    for number in range(6):
        await write(held, f"{number} ")
        await asyncio.sleep(0.05)
    await finish(held)

    assert (await late)[-1].event == DONE
    assert asyncio.get_running_loop().time() - begun < 3
    assert await late == await scene.events(held.record.id)
    await asleep.aclose()
