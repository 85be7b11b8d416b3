"""What a run reads of its thread: all that it sends, and little more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import to_json
from tests.support.histories import message, places

from threadmill_shared import ids
from threadmill_shared.records.items import ImportedItem, Item
from threadmill_shared.store.held_runs import RECENT_BYTES, RECENT_ITEMS
from threadmill_workers.execution.history import History
from threadmill_workers.execution.reduction import turn_starts

Strategy = dict[str, Any] | None


def turns(count: int, *, calls: int = 0, text: str = "") -> list[Item]:
    """So many turns, each with so many calls between question and answer."""
    items: list[Any] = []
    for number in range(count):
        items.append(message("user", f"{number} asks {text}", "run_earlier"))
        for call in range(calls):
            id = f"call_{number}_{call}"
            own = {"provider_id": id, "run_id": "run_earlier"}
            items.append({"type": "tool_call", "id": id, "name": "f", "arguments": "{}", **own})
            output = {"type": "tool_output", "call_id": id, "output": "1", "failed": False}
            items.append({**output, **own})
        items.append(message("assistant", f"{number} answers {text}", "run_earlier"))
    return items


def wanted(items: Sequence[Item], last_messages: int | None) -> list[Item]:
    """What is sent of a thread: whole turns with at most so many messages, at least the last."""
    if last_messages is None:
        return list(items)
    starts = turn_starts(items)
    counts = {at: sum(one["type"] == "message" for one in items[at:]) for at in starts}
    kept = [at for at in starts if counts[at] <= last_messages]
    return list(items[(kept or starts[-1:])[0] :])


async def claimed(scene, items: Sequence[Item], strategy: Strategy) -> tuple[list[Item], History]:
    """A thread that has these items, and its history as a run reads it that was just claimed."""
    stored = [
        ImportedItem(one["id"] if one["type"] == "message" else "", to_json(one).decode(), 1)
        for one in items
    ]
    await scene.store.threads.import_items(scene.thread_id, stored, created_at=1)
    held = await scene.begin("now")
    recent = held.take_recent_items()
    history = History(scene.store, scene.thread_id, held.position, strategy, recent=recent)
    return [*items, (await scene.items())[-1]], history


@pytest.mark.parametrize("count", [0, 1, RECENT_ITEMS // 2 - 1])
async def test_a_short_thread_is_read_with_the_claim(scene, client, count):
    items, history = await claimed(scene, turns(count), None)
    client.commands.clear()

    assert await history.items() == items
    assert history.positions == [*places(items)]
    assert client.commands == []


async def test_a_longer_thread_is_read_from_where_the_claim_has_ended(scene, client):
    items, history = await claimed(scene, turns(100), None)
    client.commands.clear()

    assert await history.items() == items
    assert history.positions == [*places(items)]
    assert client.commands == ["XREVRANGE"]


async def test_of_large_items_a_claim_has_few_and_the_rest_is_read(scene, client):
    items, history = await claimed(scene, turns(3, text="x" * (RECENT_BYTES // 3)), None)
    client.commands.clear()

    assert await history.items() == items
    assert client.commands == ["XREVRANGE"]


async def test_the_last_messages_of_a_long_thread_are_read_with_the_claim(scene, client):
    strategy = {"type": "last_messages", "last_messages": 20}
    items, history = await claimed(scene, turns(500), strategy)
    client.commands.clear()

    assert await history.items() == wanted(items, 20)
    assert history.positions == [*range(1001 - 18, 1002)]
    assert client.commands == []


@pytest.mark.parametrize("calls", [1, 5, 60])
async def test_a_turn_with_many_calls_is_read_whole(scene, calls):
    strategy = {"type": "last_messages", "last_messages": 3}
    items, history = await claimed(scene, turns(3, calls=calls), strategy)

    assert await history.items() == wanted(items, 3)


async def test_the_beginning_of_a_long_turn_is_looked_for_in_one_page(scene, client):
    asked: list[Any] = [message("user", f"{number} asks", None) for number in range(1000)]
    strategy = {"type": "last_messages", "last_messages": 20}
    _, history = await claimed(scene, asked, strategy)
    client.commands.clear()

    assert len(await history.items()) > 20
    assert client.commands == ["XREVRANGE"]


async def test_any_history_is_as_the_whole_thread_would_have_it(scene):
    chosen = random.Random(7)
    for _ in range(15):
        items: list[Item] = []
        for _ in range(chosen.randrange(12)):
            items += turns(1, calls=chosen.choice((0, 0, 1, 12)), text="y" * chosen.randrange(9000))
        for at, one in enumerate(items):
            if one["type"] == "message":
                one["id"] = f"msg_{at:032x}"
        last = chosen.choice((None, 1, 2, 5, 30))
        strategy = None if last is None else {"type": "last_messages", "last_messages": last}
        whole, history = await claimed(
            replace(scene, thread_id=ids.new_thread_id()), items, strategy
        )

        assert await history.items() == wanted(whole, last)
        assert history.positions == [*places(whole)][len(whole) - len(wanted(whole, last)) :]
