"""Instructions, by every way to begin a run: texts as they stand, templates rendered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.script import Script

from threadmill import Assistant, PlainText, Run, Template, Thread, errors
from threadmill.testing import StandIn

pytestmark = pytest.mark.any_api

TEXT = 'The customer is called {{ context.token }}. {% if %} {# none #} {"price": 3}'
CONTEXT = {"token": "t0k3n"}


class Desk(Assistant):
    """Its instructions are made for each run."""

    returns: Any = "{{ self_.name }}: {{ context.token }}"

    def get_instructions(self, thread: Thread | None = None) -> Any:
        return self.returns


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    if not lasting.workers.logs():
        lasting.workers.start("bot")
    return lasting.fresh_standin()


def instructions(standin: StandIn) -> list[str]:
    """What it was asked with, in either API."""
    bodies = [request.body for request in standin.requests]
    return [body.get("instructions") or body["messages"][0]["content"] for body in bodies]


def thread_run(ai: Assistant, **options: Any) -> Run:
    return Thread().create(["Hello!"]).run(ai, None, **options)


WAYS: dict[str, Callable[..., Run]] = {
    "say": lambda ai, **given: ai.say("Hello!", Thread(), None, **given),
    "say_async": lambda ai, **given: asyncio.run(ai.say_async("Hello!", Thread(), None, **given)),
    "enqueue": lambda ai, **given: ai.enqueue("Hello!", **given).wait(),
    "enqueue_async": lambda ai, **given: asyncio.run(ai.enqueue_async("Hello!", **given)).wait(),
    "thread.run": thread_run,
    "thread.enqueue": lambda ai, **given: Thread().create(["Hello!"]).enqueue(ai, **given).wait(),
}


@pytest.mark.parametrize("way", WAYS)
def test_texts_are_sent_as_they_stand_and_templates_rendered(way: str, standin: StandIn) -> None:
    ai = Assistant(name="plain", instructions="Be {{ context.token }}.")
    WAYS[way](ai, additional_instructions=TEXT, context=CONTEXT)
    WAYS[way](ai, instructions=TEXT, context=CONTEXT)
    WAYS[way](ai, additional_instructions=Template("{{ self_.name }}"), context=CONTEXT)
    assert instructions(standin) == [
        f"Be t0k3n.\n\n{TEXT}",
        TEXT,
        "Be t0k3n.\n\nplain",
    ]


@pytest.mark.parametrize("returns", [Desk().returns, Template(Desk().returns)], ids=["str", "it"])
def test_what_get_instructions_returns_is_a_template(returns: Any, standin: StandIn) -> None:
    ai = Desk(name="plain", returns=returns)
    ai.say("Hello!", Thread(), None, context=CONTEXT, additional_instructions=TEXT)
    assert instructions(standin) == [f"plain: t0k3n\n\n{TEXT}"]


@pytest.mark.parametrize("way", WAYS)
def test_an_assistants_own_text_is_sent_as_it_is(way: str, standin: StandIn) -> None:
    WAYS[way](Assistant(name="plain", instructions=PlainText(TEXT)), context=CONTEXT)
    WAYS[way](Desk(name="plain", returns=PlainText(TEXT)), context=CONTEXT)
    assert instructions(standin) == [TEXT, TEXT]


@pytest.mark.usefixtures("standin")
def test_a_key_tells_a_text_from_a_template() -> None:
    ai, thread = Assistant(name="plain"), Thread()
    given: dict[str, Any] = {"thread": thread, "context": CONTEXT, "idempotency_key": "k"}
    run = ai.enqueue("Hello!", instructions="{{ context.token }}", **given)
    assert ai.enqueue("Hello!", instructions="{{ context.token }}", **given).id == run.id
    with pytest.raises(errors.IdempotencyMismatch):
        ai.enqueue("Hello!", instructions=Template("{{ context.token }}"), **given)
    run.wait()


@pytest.mark.usefixtures("standin")
def test_a_text_that_looks_like_a_template_is_told_of_once_and_not_quoted() -> None:
    script = Script.of_source("""
        import contextlib, io, logging
        from threadmill import Assistant, PlainText, Template

        told = io.StringIO()
        logging.basicConfig(stream=told)
        ai = Assistant(name="plain")
        ai.enqueue("Hello!", instructions='{"price": 3} {# none #}')
        ai.enqueue("Hello!", instructions=Template("{{ self_.name }}"))
        Assistant(name="plain", instructions=PlainText("{{ eve }}")).enqueue("Hello!")
        assert not told.getvalue(), told.getvalue()
        for _ in range(2):
            ai.enqueue("Hello!", additional_instructions="Call me {{ eve }}")
            ai.enqueue("Hello!", instructions="Call me {% eve %}")
        print(told.getvalue())
    """)
    [line] = script.finish().splitlines()[:-1]
    assert "'additional_instructions' contains template syntax and is sent unchanged" in line
    assert "threadmill.Template" in line
    assert "eve" not in line
