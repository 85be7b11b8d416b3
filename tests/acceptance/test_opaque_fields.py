"""Models behind Chat Completions that want back what came with their calls, and others that do not.

The stand-in is OpenAI, which has no such fields: it refuses them unless a test allows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.processes.worker import Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Call, Reasoning, Record, Reply, StandIn, Text
from threadmill.transfer import export_file, import_file

pytestmark = pytest.mark.parametrize("api", ["chat"], indirect=True)

# Two rules that are switched here: a server with a thinking model sends fields that the API does
# not have, so it takes them back, unlike OpenAI, and it insists on the reasoning.
OTHER_FIELDS = "unknown_fields"
NEEDS_REASONING = "reasoning_content"
SIGNED = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
THOUGHT = "The word must be noted first."
REASONING = Reasoning(THOUGHT, chat_field="reasoning_content")


def script(*turns: list[Any]) -> Any:
    """A brain that answers so, in turn."""
    left = iter(turns)
    return lambda _: Reply(next(left))


def remember(**more: Any) -> Call:
    return Call("remember", {"word": "first"}, **more)


@pytest.fixture
def notes(workers: Workers, tmp_path: Path) -> dict[str, str]:
    """The context of runs of `dangerous`, of which a worker runs."""
    workers.start("dangerous")
    (file := tmp_path / "notes").touch()
    return {"notes": str(file)}


def say(text: str, thread: Thread, notes: dict[str, str], **options: Any) -> Run:
    run = Assistant.load("dangerous").enqueue(text, thread=thread, context=notes, **options)
    run.wait(20)
    assert run.status == "completed", run.last_error
    return run


def calling_messages(record: Record) -> list[dict[str, Any]]:
    return [dict(item) for item in record.items if item.get("tool_calls")]


def test_fields_go_back_with_their_call_in_this_run_and_in_later_ones(
    standin: StandIn, notes: dict[str, str]
) -> None:
    standin.allow(OTHER_FIELDS).refuse(NEEDS_REASONING)
    standin.brain = script(
        [REASONING, Text("I note it."), remember(extra={"extra_content": SIGNED})],
        [Reasoning("It is noted.", chat_field="reasoning_content"), Text("Noted.")],
        [Text("You are welcome.")],
        [Text("I am another model.")],
    )
    thread = Thread()
    say("Go!", thread, notes)
    say("Thank you", thread, notes)
    standin.allow(NEEDS_REASONING)
    say("And you?", thread, notes, model="plain")

    asked = standin.requests
    for record in asked[1:3]:
        [message] = calling_messages(record)
        assert message["content"] == "I note it."
        assert message["reasoning_content"] == THOUGHT
        assert message["tool_calls"][0]["extra_content"] == SIGNED
    assert asked[2].items[-2]["reasoning_content"] == "It is noted."
    assert "reasoning_content" not in str(asked[3].body)
    assert "extra_content" not in str(asked[3].body)
    shown = [message.text for message in thread.get_messages() if message.role == "assistant"]
    assert not any(THOUGHT in text for text in shown)


def test_reasoning_of_a_run_without_calls_is_not_sent(
    standin: StandIn, notes: dict[str, str]
) -> None:
    standin.brain = script([REASONING, Text("Hello.")], [Text("Bye.")])
    thread = Thread()
    say("Hi!", thread, notes)
    say("Bye!", thread, notes)
    assert len(standin.requests) == 2


def test_a_field_that_its_provider_refuses_is_sent_once(
    standin: StandIn, notes: dict[str, str]
) -> None:
    standin.brain = script(
        [REASONING, remember()],
        [Text("Noted.")],
        [Text("Yes.")],
        [REASONING, remember()],
        [Text("!")],
    )
    thread = Thread()
    say("Go!", thread, notes)
    say("Done?", thread, notes)
    say("Again!", Thread(), notes)
    refused = [record for record in standin.requests if record.status == 400]
    assert len(refused) == 1
    assert [THOUGHT in str(record.body) for record in standin.requests] == [
        record in refused for record in standin.requests
    ]


def test_calls_of_another_model_do_not_make_a_thread_unusable(
    standin: StandIn, notes: dict[str, str]
) -> None:
    standin.brain = script([remember()], [Text("Noted.")], [Text("Yes.")], [Text("Still.")])
    thread = Thread()
    say("Go!", thread, notes)
    standin.allow(OTHER_FIELDS).refuse(NEEDS_REASONING)
    say("Done?", thread, notes, model="thinker")
    say("Still?", thread, notes, model="thinker")
    [message] = calling_messages(standin.requests[-1])
    assert message["reasoning_content"].isspace()
    assert len(standin.requests) == 5  # one of them was refused


def test_an_export_has_the_fields_and_an_import_sends_them(
    standin: StandIn, notes: dict[str, str], tmp_path: Path
) -> None:
    standin.allow(OTHER_FIELDS).refuse(NEEDS_REASONING)
    standin.brain = script([REASONING, remember()], [Text("Noted.")], [Text("Yes.")])
    thread = Thread()
    say("Go!", thread, notes)
    file = tmp_path / "thread.jsonl"
    export_file(file, [thread])
    thread_id = thread.id
    thread.delete()
    import_file(file)
    say("Done?", Thread(id=thread_id), notes)
    [message] = calling_messages(standin.requests[-1])
    assert message["reasoning_content"] == THOUGHT


def test_fields_go_back_after_an_approval(workers: Workers, standin: StandIn) -> None:
    standin.allow(OTHER_FIELDS).refuse(NEEDS_REASONING)
    call = Call("refund", {"order": 7}, extra={"extra_content": SIGNED})
    standin.brain = script([REASONING, call], [Text("Done.")])
    workers.start("careful")
    run = Assistant.load("careful").enqueue("Refund it", thread=Thread())
    wait_until(lambda: run.refresh().status == "requires_action", "it waits for the approval")
    [asked] = run.required_action.submit_tool_outputs.tool_calls
    run.approve(asked.id)
    assert run.wait(20).status == "completed"
    [message] = calling_messages(standin.requests[-1])
    assert message["reasoning_content"] == THOUGHT
    assert message["tool_calls"][0]["extra_content"] == SIGNED
