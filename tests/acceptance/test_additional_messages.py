"""Messages that come with a run: the model reads them before the run's own, in every order."""

from __future__ import annotations

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.provider_requests import said_to

from threadmill import Assistant, Thread
from threadmill.testing import StandIn, scripted

TOLD = [
    {"role": "assistant", "content": "Which year?"},
    {"role": "user", "content": [{"type": "text", "text": "1969."}], "metadata": {"page": "3"}},
    {"role": "assistant", "content": "And which month?"},
]


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def said(standin: StandIn) -> list[str]:
    """The messages in the last request; with Chat Completions those of one role are one."""
    return [text for one in said_to(standin.requests[-1]) for text in one.split("\n\n")]


def test_the_model_reads_the_messages_that_come_with_a_run(standin: StandIn) -> None:
    standin.brain = scripted("Then it was Apollo 11.")
    thread = Thread()

    run = Assistant().enqueue("July.", thread, additional_messages=TOLD).wait(30)

    assert said_to(standin.requests[-1])[-4:] == [
        "Which year?",
        "1969.",
        "And which month?",
        "July.",
    ]
    assert [message.text for message in run.messages] == ["July.", "Then it was Apollo 11."]
    assert run.text == "Then it was Apollo 11."
    found = thread.get_messages()
    assert [message.metadata for message in found] == [{}, {"page": "3"}, {}, {}, {}]
    assert [message.run_id for message in found[:4]] == [None] * 4


def test_a_thread_is_run_with_messages_and_nothing_else(standin: StandIn) -> None:
    standin.brain = scripted("Fine.")
    thread = Thread()

    run = thread.run(
        Assistant(),
        event_handler_class=None,
        timeout=30,
        additional_messages=[{"role": "user", "content": "How are you?"}],
    )

    assert said(standin) == ["How are you?"]
    assert [message.text for message in run.messages] == ["Fine."]


def test_a_run_that_waits_brings_its_messages_when_its_turn_has_come(standin: StandIn) -> None:
    standin.brain = scripted("One.", "Two.")
    thread, ai = Thread(), Assistant()

    first = ai.enqueue("First!", thread)
    second = ai.enqueue("July.", thread, additional_messages=TOLD)
    first.wait(30)
    second.wait(30)

    assert said(standin) == [
        *("First!", "One."),
        *("Which year?", "1969.", "And which month?", "July."),
    ]
