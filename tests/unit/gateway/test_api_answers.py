"""The comparison of answers with OpenAI's types and its OpenAPI document can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_answers.checks import AnswerChecks
from tests.support.run_playback import RunPlayback

from threadmill.handlers import EventHandler
from threadmill_shared.events.decoder import Event

THREAD = {
    "id": "thread_1",
    "object": "thread",
    "created_at": 1_700_000_000,
    "metadata": {"a": "b"},
    "tool_resources": {},
}
ERROR = {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}}
DELTA = {
    "id": "msg_1",
    "object": "thread.message.delta",
    "delta": {"content": [{"index": 0, "type": "text", "text": {"value": "a"}}]},
}


class Kept(EventHandler):
    """Keeps the events of a run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def answer(body: Any, path: str = "/v1/threads/thread_1", **fields: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    given = {"method": "GET", "path": path, "status": 200, "content_type": "application/json"}
    return given | {"body": text, "is_whole": True} | fields


def found(*answers: dict[str, Any]) -> list[str]:
    checks = AnswerChecks()
    for one in answers:
        checks.check(one)
    return list(checks.violations)


def stream(name: str, data: Any) -> dict[str, Any]:
    body = f"event: {name}\ndata: {json.dumps(data)}\n\nevent: done\ndata: [DONE]\n\n"
    path = "/v1/threads/thread_1/runs/run_1/events"
    return answer(body, path, content_type="text/event-stream; charset=utf-8")


def test_what_is_right_is_taken() -> None:
    page = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert not found(
        answer(THREAD),
        answer(ERROR, status=404),
        answer(page, "/openai/threads/thread_1/runs"),
        stream("thread.message.delta", DELTA),
        stream("threadmill.tool.started", {"anything": 1}),
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"created_at": "1700000000"}, "created_at: Input should be a valid integer"),
        ({"created_at": 1.5}, "$.created_at: 1.5 is not of type 'integer'"),
        ({"object": "threads"}, "object: Input should be 'thread'"),
        ({"metadata": {"a": 1}}, "$.metadata: {'a': 1} is not valid"),
        ({"id": None}, "id: Input should be a valid string"),
    ],
)
def test_a_wrong_member_is_named(wrong: dict[str, Any], words: str) -> None:
    assert any(words in one for one in found(answer(THREAD | wrong)))


def test_a_missing_member_is_named() -> None:
    whole = [THREAD | {"metadata": None}, {k: v for k, v in THREAD.items() if k != "metadata"}]
    assert "'metadata' is a required property" in str(found(*map(answer, whole)))


def test_an_error_must_have_all_its_members() -> None:
    wrong = {"error": {name: ERROR["error"][name] for name in ("message", "type", "code")}}
    assert "'param' is a required property" in str(found(answer(wrong, status=400)))
    plain = answer("Not Found", status=404, content_type="text/plain")
    assert "an error has the content type text/plain" in found(plain)


def test_events_are_compared_with_the_events_of_the_package() -> None:
    wrong = {**DELTA, "delta": {"content": [{"index": "0", "type": "text"}]}}
    assert "thread.message.delta: " in str(found(stream("thread.message.delta", wrong)))
    assert found(stream("thread.message.unknown", DELTA))
    unended = stream("thread.message.delta", DELTA)
    assert "done has the data {}" in found(unended | {"body": "event: done\ndata: {}\n\n"})


@pytest.mark.parametrize("reason", ["max_prompt_tokens", "max_completion_tokens", "max_turns"])
def test_each_reason_of_an_incomplete_run_is_taken(reason: str) -> None:
    kept = Kept()
    told = RunPlayback(kept)
    told.tell("r", "created", {})
    told.tell("r", "queued", {})
    told.tell("r", "in_progress", {"started_at": 1_700_000_000_000})
    told.tell("r", "incomplete", {"reason": reason})
    last = kept.events[-1]
    assert last.data["incomplete_details"]["detail"] == reason
    assert not found(stream(last.event, last.data))


def test_the_last_line_of_a_gateway_that_was_killed_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "gateway.answers"
    file.write_text(json.dumps(answer(THREAD)) + "\n" + json.dumps(answer(THREAD))[:40])
    checks = AnswerChecks()
    checks.check_file(file)
    assert checks.checked == 1
