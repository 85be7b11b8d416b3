"""What is noted beside a thread of what its models did not take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.servers.clients import ask_all
from tests.support.store.scene import Scene

from threadmill.testing import ScriptedModel
from threadmill_shared.errors import ModelRefused
from threadmill_shared.model import ModelRequest
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.history_reducer import HistoryReducer
from threadmill_workers.execution.interruption import LostRun

BAD = ModelRefused("No.", status=400, reason="Bad Request")


async def next_run(scene: Scene, text: str, **options: Any) -> tuple[HeldRun, HistoryReducer]:
    """A run of the scene's thread, and its reducer, which begins to ask."""
    held = await scene.begin(text, **options)
    history = History(scene.store, scene.thread_id, held.position, None)
    model = ScriptedModel()
    reducer = HistoryReducer(held=held, store=scene.store, history=history, model=model)
    reducer.begin()
    await reducer.items()
    return held, reducer


def refuse(reducer: HistoryReducer, model: str = "m") -> None:
    """Have the last request refused."""
    request = ModelRequest(model=model, instructions="", items=[])
    assert reducer.note_refusal(BAD, request)


async def fail(scene: Scene, text: str) -> None:
    """A run whose message the provider refuses."""
    held, reducer = await next_run(scene, text)
    refuse(reducer)
    await reducer.note_refused_turn(BAD)
    await held.finish(Status.FAILED, Batch())


async def texts(reducer: HistoryReducer) -> list[str]:
    items: list[Any] = list(await reducer.items())
    return [item["content"][0]["text"]["value"] for item in items]


async def test_a_refused_turn_is_noted_and_left_out_once_a_request_is_refused(scene: Scene):
    await fail(scene, "one")
    await fail(scene, "two")
    held, reducer = await next_run(scene, "three")
    assert await texts(reducer) == ["one", "two", "three"]
    refuse(reducer)
    assert reducer.advance(5)
    assert await texts(reducer) == ["three"]
    reducer.announce(BAD)
    await reducer.note_answer()
    await held.finish(Status.COMPLETED, Batch())

    [note] = (await scene.store.files.left_out(scene.thread_id)).values()
    assert note == {"turns": ((1, 2),), "refused": ((1, 2),)}
    held, reducer = await next_run(scene, "four")
    assert await texts(reducer) == ["three", "four"]
    await held.finish(Status.COMPLETED, Batch())


async def test_an_answer_without_a_refusal_notes_nothing(scene: Scene):
    held, reducer = await next_run(scene, "one")
    await reducer.note_answer()
    await held.finish(Status.COMPLETED, Batch())
    assert await scene.store.files.left_out(scene.thread_id) == {}


async def test_a_full_store_loses_the_note_only(scene: Scene):
    client = scene.store.session.client
    await fail(scene, "one")
    held, reducer = await next_run(scene, "two")
    refuse(reducer)
    assert reducer.advance(5)
    await ask_all(client, "config_set", "maxmemory", 1)
    try:
        await reducer.note_answer()
        await reducer.note_refused_turn(BAD)
    finally:
        await ask_all(client, "config_set", "maxmemory", 0)
    assert await texts(reducer) == ["two"]
    await held.finish(Status.COMPLETED, Batch())
    [note] = (await scene.store.files.left_out(scene.thread_id)).values()
    assert note == {"refused": ((1, 1),)}
    held, reducer = await next_run(scene, "three")
    assert await texts(reducer) == ["one", "two", "three"]
    await held.finish(Status.COMPLETED, Batch())


async def test_an_attempt_that_was_taken_over_notes_nothing(scene: Scene):
    held, reducer = await next_run(scene, "one")
    refuse(reducer)
    await scene.store.runs.reclaim(await scene.record(held.record.id), max_deaths=3)
    with pytest.raises(LostRun):
        await reducer.note_refused_turn(BAD)
    assert await scene.store.files.left_out(scene.thread_id) == {}


async def test_the_notes_go_with_their_thread(scene: Scene):
    await fail(scene, "one")
    key = scene.keys.attached(scene.thread_id)
    assert await scene.command("HKEYS", key) == ["left_out"]
    await scene.store.threads.delete(scene.thread_id)
    assert await scene.command("EXISTS", key) == 0


async def test_notes_of_the_newest_models_are_kept(scene: Scene):
    await fail(scene, "one")
    key = scene.keys.attached(scene.thread_id)
    notes = {f"model-{number}": {"turns": [[1, 1]]} for number in range(20)}
    await scene.command("HSET", key, "left_out", json.dumps(notes))
    await fail(scene, "two")
    kept = await scene.store.files.left_out(scene.thread_id)
    assert len(kept) == 8
    assert list(kept)[:7] == [f"model-{number}" for number in range(13, 20)]


@pytest.mark.parametrize(
    "stored",
    [
        {},
        [],
        {"m": None},
        {"m": {"turns": 7, "files": [[1]], "refused": [["a", 2], None, [1, 2, 3]]}},
        {"m": {"poems": [[1, 9]]}},
    ],
)
async def test_notes_that_cannot_be_read_are_passed_over(scene: Scene, stored: Any):
    await fail(scene, "one")
    key = scene.keys.attached(scene.thread_id)
    held = await scene.begin("two")
    model = held.record.request.model
    if isinstance(stored, dict):
        stored = {model if name == "m" else name: note for name, note in stored.items()}
    await scene.command("HSET", key, "left_out", json.dumps(stored))
    history = History(scene.store, scene.thread_id, held.position, None)
    reducer = HistoryReducer(held=held, store=scene.store, history=history, model=ScriptedModel())
    assert await texts(reducer) == ["one", "two"]
    await held.finish(Status.COMPLETED, Batch())
