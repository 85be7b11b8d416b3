"""The lifecycle of assistants: lazy, with a context, by hand, loaded; and what a run keeps."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from tests.acceptance.conftest import Lasting
from tests.support.environment import isolated_environment
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Thread, errors, tool
from threadmill.testing import StandIn
from threadmill_shared.settings import load_settings

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("bot")


@pytest.fixture(autouse=True)
def provider(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


@pytest.fixture
def stored() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(load_settings().store_url(), decode_responses=True) as client:
        yield client


def created(stored: redis.Redis) -> set[str]:
    """The ids of all assistants that are registered."""
    found = stored.scan_iter(match=f"{load_settings().namespace}:{{assistants}}:created:*")
    return {key.rpartition(":")[2] for key in found}


def silent(ai: Assistant, message: str = "Hello!", **options: object):
    return ai.say(message, event_handler_class=None, **options)


# ---- lazy ----------------------------------------------------------------------------------------


def test_without_an_id_nothing_is_registered_and_nothing_is_left_behind(stored) -> None:
    ai = Assistant(name="lazy")
    before = set(stored.scan_iter())
    run = silent(ai)
    assert (run.status, ai.id, created(stored)) == ("completed", None, set())
    Thread(run.thread_id).delete()
    left = {key for key in set(stored.scan_iter()) - before if "lazy" in key or "assist" in key}
    assert left == set()


# ---- with ----------------------------------------------------------------------------------------


def test_it_is_registered_at_entry_and_removed_at_the_outermost_exit(stored) -> None:
    ai = Assistant(name="context")
    with ai:
        first = ai.id
        with ai:
            silent(ai)
        assert created(stored) == {first}
        assert silent(ai).assistant_version == 1
    assert (ai.id, created(stored)) == (None, set())


async def test_the_same_with_async_with_and_the_async_twins(stored) -> None:
    async with Assistant(name="context") as ai:
        assert created(stored) == {ai.id}
        run = await ai.say_async("hi", event_handler_class=None)
    assert (run.status, created(stored)) == ("completed", set())


def test_what_a_with_did_not_register_it_does_not_remove(stored) -> None:
    ai = Assistant(name="kept")
    ai.create()
    with ai:
        pass
    with Assistant(id=ai.id):
        pass
    assert created(stored) == {ai.id}
    ai.delete()


def test_what_was_created_anew_inside_of_a_with_stays(stored) -> None:
    ai = Assistant(name="anew")
    with ai:
        ai.delete()
        ai.create()
    assert created(stored) == {ai.id}
    ai.delete()


def test_an_error_inside_of_a_with_removes_it_all_the_same(stored) -> None:
    with pytest.raises(ZeroDivisionError), Assistant(name="context"):
        raise ZeroDivisionError
    assert created(stored) == set()


def test_threads_that_enter_one_assistant_at_once_share_one_registration(stored) -> None:
    ai, meet = Assistant(name="shared"), threading.Barrier(8)

    def enter() -> str | None:
        meet.wait()
        with ai:
            meet.wait()
            assert created(stored) == {ai.id}
            return ai.id

    with ThreadPoolExecutor(8) as pool:
        ids = {future.result() for future in [pool.submit(enter) for _ in range(8)]}
    assert len(ids) == 1
    assert (ai.id, created(stored)) == (None, set())


async def test_tasks_that_enter_at_once_share_one_too_and_one_that_is_cancelled_harms_none(
    stored,
) -> None:
    ai, may_leave = Assistant(name="shared"), asyncio.Event()

    async def enter() -> None:
        async with ai:
            await may_leave.wait()

    tasks = [asyncio.create_task(enter()) for _ in range(8)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    async with ai:
        assert created(stored) == {ai.id}
        may_leave.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert created(stored) == {ai.id}
    assert created(stored) == set()


async def test_tasks_that_are_cancelled_at_any_moment_of_it_leave_nothing_behind(stored) -> None:
    async def enter(ai: Assistant) -> None:
        async with ai:
            await asyncio.sleep(0)

    shared = Assistant(name="shared")
    for moment in range(200):
        task = asyncio.create_task(enter(shared if moment % 2 else Assistant(name="alone")))
        for _ in range(moment % 20):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with shared:  # which waits for what is under way
        pass
    await asyncio.to_thread(wait_until, lambda: created(stored) == set(), "all are gone")
    assert shared.id is None


# ---- by hand -------------------------------------------------------------------------------------


def test_create_say_delete(stored) -> None:
    ai = Assistant(name="by hand")
    ai.create()
    assert created(stored) == {ai.id}
    assert silent(ai).status == "completed"
    ai.delete()
    assert (ai.id, created(stored)) == (None, set())


def test_a_second_create_is_a_value_error_that_names_the_id(stored) -> None:
    ai = Assistant(name="by hand")
    ai.create()
    with pytest.raises(ValueError, match=f"created before; its id is {ai.id}"):
        ai.create()
    assert created(stored) == {ai.id}
    ai.delete()


def test_delete_without_an_id_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no id"):
        Assistant().delete()


def test_two_threads_that_create_at_once_create_one(stored) -> None:
    ai, meet = Assistant(name="by hand"), threading.Barrier(4)

    def create() -> bool:
        meet.wait()
        try:
            ai.create()
        except errors.LifecycleError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = [future.result() for future in [pool.submit(create) for _ in range(4)]]
    assert (sum(done), created(stored)) == (1, {ai.id})
    ai.delete()


def test_what_workers_publish_is_neither_deleted_nor_saved_from_outside() -> None:
    ai = Assistant.load("plain")
    for change in (ai.delete, ai.save):
        with pytest.raises(errors.LifecycleError, match="published by the workers"):
            change()


# ---- with an id, and loaded ----------------------------------------------------------------------


@pytest.fixture
def registered() -> Iterator[Assistant]:
    ai = Assistant("registered", "Say {{ self_.name }}.", "some-model", [look_up])
    ai.create()
    yield ai
    ai.delete()


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return word


def test_with_an_id_the_registered_one_is_used_and_never_deleted(
    registered: Assistant, provider: StandIn, stored
) -> None:
    run = silent(Assistant(id=registered.id, tools=[]))
    asked = provider.requests[-1].body
    assert (asked["model"], asked["instructions"]) == ("some-model", "Say registered.")
    assert "tools" not in asked  # what is given with the id counts
    assert (run.assistant_name, created(stored)) == ("registered", {registered.id})


def test_an_id_that_is_not_registered_is_told_before_anything_is_written() -> None:
    thread = Thread()
    with pytest.raises(errors.AssistantNotFound, match="asst_unknown"):
        silent(Assistant(id="asst_unknown"), thread=thread)
    with pytest.raises(errors.ThreadNotFound):
        thread.refresh()


@pytest.mark.parametrize("how", ["by position", "id", "assistant_id"])
def test_it_is_loaded_by_its_id(registered: Assistant, how: str) -> None:
    loaded = (
        Assistant.load(registered.id)
        if how == "by position"
        else Assistant.load(**{how: registered.id})
    )
    assert (loaded.id, loaded.name, loaded.model) == (registered.id, "registered", "some-model")
    assert [spec.name for spec in loaded.tools] == ["look_up"]


def test_loaded_with_its_tools_it_has_the_functions(registered: Assistant) -> None:
    assert Assistant.load(registered.id, tools=[look_up]).tools == [look_up]


def test_loaded_with_its_tools_it_calls_them(registered: Assistant) -> None:
    run = silent(Assistant.load(registered.id, tools=[look_up]), 'call look_up {"word": "tea"}')
    assert run.steps[0].tool_calls[0].output == "tea"


def test_a_tool_without_a_function_is_an_error_when_it_is_called_and_not_before(
    registered: Assistant,
) -> None:
    def only_here() -> str:
        return "here"

    registered.tools = [only_here]
    registered.save()
    loaded = Assistant.load(registered.id)
    assert silent(loaded, "Hello!").status == "completed"
    with pytest.raises(errors.RunFailed, match="no live worker has its function") as failed:
        silent(loaded, "call only_here {}", thread=Thread())
    assert "ToolNotFound: The model called only_here" in str(failed.value)
    loaded.default_thread.add("The thread is free again.")


async def test_the_async_twin_of_load(registered: Assistant) -> None:
    assert (await Assistant.load_async(registered.id)).id == registered.id


# ---- versions ------------------------------------------------------------------------------------


def test_each_save_of_a_change_gives_the_next_version_to_whoever_loads_it(
    registered: Assistant,
) -> None:
    registered.instructions = "Sing."
    registered.save()
    registered.save()  # nothing has changed
    loaded = Assistant.load(registered.id, tools=[])
    assert loaded.instructions == "Sing."
    assert loaded.created_at == registered.created_at == pytest.approx(time.time(), abs=600)
    assert loaded.enqueue("Hello!").cancel().refresh().assistant_version == 2
    loaded.model = "another-model"
    loaded.save()
    assert Assistant.load(registered.id, tools=[]).enqueue("Hi!").assistant_version == 3


def test_saving_at_once_from_many_threads_loses_no_version(registered: Assistant) -> None:
    handles = [Assistant(id=registered.id, instructions=f"{at}") for at in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda ai: ai.save(), handles))
    assert Assistant.load(registered.id, tools=[]).enqueue("Hi!").assistant_version == 9


def test_one_that_was_deleted_meanwhile_is_not_saved_again() -> None:
    ai = Assistant(name="by hand")
    ai.create()
    Assistant(id=ai.id).delete()
    with pytest.raises(errors.AssistantNotFound):
        ai.save()


@pytest.mark.parametrize("change", ["deleted", "saved"])
def test_a_run_that_waits_in_line_keeps_the_definition_it_was_enqueued_with(
    provider: StandIn, change: str
) -> None:
    ai, thread = Assistant("busy", "Be brief.", "first-model"), Thread()
    ai.create()
    provider.brain = slow = Slow()
    holder = ai.enqueue("one", thread)
    waiting = ai.enqueue("two", thread)
    if change == "deleted":
        ai.delete()
    else:
        ai.instructions, ai.model = "Be long.", "second-model"
        ai.save()
    slow.may_end.set()
    assert [holder.wait(20).status, waiting.wait(20).status] == ["completed", "completed"]
    asked = provider.requests[-1].body
    assert (asked["model"], asked["instructions"]) == ("first-model", "Be brief.")
    assert waiting.assistant_version == 1


class Slow:
    """A brain that answers when it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    async def __call__(self, request: object) -> str:
        await asyncio.to_thread(self.may_end.wait, 20)
        return "Done."


def test_a_module_that_has_changed_is_published_under_the_next_version(
    redis_server: RedisServer, provider: StandIn, api: str
) -> None:
    from threadmill.client.current import close_client, current_client

    with isolated_environment(redis_server.fresh_database(), provider, api):
        client = current_client()
        for instructions in ("a", "a", "b"):
            definition = Assistant("module", instructions).definition()
            asyncio.run_coroutine_threadsafe(
                client.store.assistants.publish([definition]), client._bridge._loop
            ).result()
        assert Assistant.load("module").enqueue("Hi!").assistant_version == 2
        close_client()
