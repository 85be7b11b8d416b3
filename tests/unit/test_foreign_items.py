"""What only one provider takes does not go to another one, which queues tell apart."""

from __future__ import annotations

import time
from typing import Any

import pytest

from threadmill_shared.model import ModelRequest
from threadmill_shared.records.items import CHAT_FIELDS, Item, text_part
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.responses_request import responses_body

MODEL = "m"
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "SEALED"}
CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "container_id": "cntr_1",
    "code": "print(42)",
    "status": "completed",
    "outputs": [{"type": "logs", "logs": "42"}],
}
FIELDS = {
    "type": CHAT_FIELDS,
    "model": MODEL,
    "message": {"reasoning_content": "SEALED"},
    "calls": [],
}


def made_in(queue: str) -> dict[str, Any]:
    return {"queue": queue} if queue else {}


def message(role: str, text: str) -> Item:
    return {
        "type": "message",
        "id": f"msg_{role}",
        "role": role,
        "content": [text_part(text)],
        "created_at": 1,
        "status": "completed",
        "run_id": "run_1",
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }


def request(items: list[Any], queue: str) -> ModelRequest:
    whole = [message("user", "Hello?"), *items, message("assistant", "42")]
    return ModelRequest(MODEL, "", whole, run_id="run_2", queue=queue)


queues = pytest.mark.parametrize(
    ("made", "asks", "goes"),
    [
        ("", "", True),
        ("tm.local", "tm.local", True),
        ("tm.openai", "tm.local", False),
        ("", "tm.local", False),
        ("tm.openai", "", False),
    ],
)


@queues
def test_reasoning_goes_back_to_its_queue_only(made, asks, goes):
    item = {"type": "reasoning", "model": MODEL, "data": REASONING, "run_id": "run_1"}
    body = responses_body(request([item | made_in(made)], asks))
    assert ("SEALED" in str(body)) == goes


@queues
def test_a_hosted_call_goes_back_to_its_queue_only_and_is_told_to_others(made, asks, goes):
    item = {"type": "hosted_call", "kind": "code_interpreter", "data": CODE, "run_id": "run_1"}
    body = responses_body(request([item | {"at": int(time.time())} | made_in(made)], asks))
    assert ("cntr_1" in str(body)) == goes
    assert "print(42)" in str(body)


@queues
def test_fields_of_a_chat_message_go_back_to_their_queue_only(made, asks, goes):
    fields = {"type": "reasoning", "model": "", "data": FIELDS, "run_id": "run_1"}
    call = {
        "type": "tool_call",
        "id": "call_1",
        "provider_id": "call_1",
        "name": "f",
        "arguments": "{}",
        "run_id": "run_1",
    }
    body = chat_body(request([fields | made_in(made), call], asks))
    assert ("SEALED" in str(body)) == goes
    assert "call_1" in str(body)
