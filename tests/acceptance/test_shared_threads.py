"""Several callers, or several assistants, on one thread; and a caller with other things to do."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.acceptance.conftest import Lasting

from threadmill import Assistant, Thread

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.usefixtures("worker"),
]


@pytest.fixture(scope="module")
def worker(lasting: Lasting) -> None:
    lasting.workers.start("bot")


def test_those_who_say_at_once_on_a_fresh_assistant_share_its_thread() -> None:
    ai = Assistant()
    with ThreadPoolExecutor(6) as executor:
        saying = [executor.submit(ai.say, f"{n}", event_handler_class=None) for n in range(6)]
    runs = [one.result() for one in saying]
    assert {run.thread_id for run in runs} == {ai.default_thread.id}
    messages = ai.default_thread.get_messages()
    assert [message.role for message in messages] == ["user", "assistant"] * 6
    assert sorted(message.text for message in messages[::2]) == [f"{n}" for n in range(6)]


def test_requests_of_many_users_to_one_assistant_share_no_thread() -> None:
    ai = Assistant()
    threads = {ai.enqueue("Hello!").thread_id for _ in range(3)}
    assert len(threads) == 3
    assert ai.default_thread.id not in threads


def test_each_message_names_its_assistant() -> None:
    thread = Thread()
    for name in ("Marvin", "Zaphod", "Marvin"):
        Assistant(name=name).say("Hello!", thread=thread, event_handler_class=None)
    names = [message.assistant_name for message in thread.get_messages()]
    assert names == [None, "Marvin", None, "Zaphod", None, "Marvin"]


async def test_the_callers_loop_goes_on_while_it_waits() -> None:
    ai = Assistant()
    saying = asyncio.ensure_future(ai.say_async("tokens=50 delay=0.02", event_handler_class=None))
    rounds = 0
    while not saying.done():
        await asyncio.sleep(0.01)
        rounds += 1
    assert (await saying).status == "completed"
    assert rounds > 20, "a loop that is blocked would have come round once or twice"
