"""Gateways have no state: what one began, others continue, whatever becomes of the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.support.gateway_streams import Found, events_of, text_of
from tests.support.processes.gateway import GatewayProcess, Gateways

WORDS = 60
LONG = f"tokens={WORDS} delay=0.05"
WHOLE = "".join(f"{n} " for n in range(1, WORDS + 1))
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


@pytest.fixture
def others(served: Served, tmp_path: Path) -> Iterator[Gateways]:
    """Starts gateways beside the one that all tests have."""
    with Gateways(tmp_path) as started:
        yield started


def post(gateway: GatewayProcess, path: str, **body: Any) -> dict[str, Any]:
    answer = httpx.post(f"{gateway.url}/v1{path}", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


def begin(gateway: GatewayProcess, text: str, **assistant: Any) -> str:
    """A run that answers so; its path."""
    made = post(gateway, "/assistants", model="gpt-5.4-mini", **assistant)
    thread = post(gateway, "/threads")
    return add_run(gateway, f"/threads/{thread['id']}", made["id"], text)


def add_run(gateway: GatewayProcess, thread: str, assistant: str, text: str) -> str:
    message = {"role": "user", "content": text}
    body = {"assistant_id": assistant, "additional_messages": [message]}
    return f"{thread}/runs/{post(gateway, f'{thread}/runs', **body)['id']}"


@contextmanager
def streamed(gateway: GatewayProcess, run: str, after: int = 0) -> Iterator[Iterator[Found]]:
    """The events of a run behind this number."""
    url = f"{gateway.url}/v1{run}/events"
    headers = {"last-event-id": str(after)}
    with httpx.stream("GET", url, headers=headers, timeout=30) as response:
        assert response.status_code == 200, response.read()
        yield events_of(response)


def until_text(events: Iterator[Found], words: int = 5) -> list[Found]:
    """The events up to so many words."""
    found: list[Found] = []
    while text_of(found).count(" ") < words:
        found.append(next(events))
    return found


def rest_after(gateway: GatewayProcess, run: str, before: list[Found]) -> list[Found]:
    """All further events; none is missing, and none comes again."""
    last = before[-1][0]
    assert last is not None
    with streamed(gateway, run, last) as events:
        after = list(events)
    numbers = [number for number, name, _ in [*before, *after] if name != "done"]
    assert numbers == list(range(1, len(numbers) + 1))
    return after


def stored_text(gateway: GatewayProcess, run: str) -> str:
    """The last message of the run's thread."""
    thread, _ = run.split("/runs/")
    answer = httpx.get(f"{gateway.url}/v1{thread}/messages", params={"limit": 1}, timeout=30)
    [message] = answer.json()["data"]
    text: str = message["content"][0]["text"]["value"]
    return text


def test_one_creates_a_second_streams_and_a_third_takes_outputs(
    served: Served, others: Gateways
) -> None:
    second, third = others.start(), others.start()
    run = begin(served.gateway, 'call add {"a": 2, "b": 2}', tools=[ADD])
    with streamed(second, run) as events:
        *_, (last, name, waiting) = (found for found in events if found[1] != "done")
    assert name == "thread.run.requires_action"
    [call] = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], "output": "four"}]
    post(third, f"{run}/submit_tool_outputs", tool_outputs=outputs)
    with streamed(second, run, last or 0) as events:
        after = list(events)
    assert [name for _, name, _ in after][-2:] == ["thread.run.completed", "done"]
    assert "four" in text_of(after)
    assert text_of(after) == stored_text(third, run)


def test_a_stream_of_a_killed_gateway_resumes_at_another(served: Served, others: Gateways) -> None:
    second = others.start()
    run = begin(second, LONG)
    before: list[Found] = []
    with streamed(second, run) as events:
        before += until_text(events)
        second.kill()
        with pytest.raises(httpx.TransportError):
            before.extend(events)
    after = rest_after(served.gateway, run, before)
    assert text_of(before + after) == WHOLE == stored_text(served.gateway, run)


@pytest.mark.quiet
def test_a_gateway_that_ends_ends_all_its_streams_within_a_second(
    served: Served, others: Gateways
) -> None:
    second = others.start()
    runs = [begin(second, LONG) for _ in range(3)]
    with ExitStack() as stack:
        streams = [stack.enter_context(streamed(second, run)) for run in runs]
        told = [until_text(events) for events in streams]
        began = time.monotonic()
        second.terminate()
        for before, events in zip(told, streams, strict=True):
            before.extend(events)
        took = time.monotonic() - began
    assert took < 1
    assert second.wait() == 0
    for run, before in zip(runs, told, strict=True):
        assert before.pop()[1] == "error"
        after = rest_after(served.gateway, run, before)
        assert text_of(before + after) == WHOLE == stored_text(served.gateway, run)


def test_a_frozen_gateway_holds_no_thread(served: Served, others: Gateways) -> None:
    frozen = others.start()
    run = begin(frozen, LONG)
    thread, _ = run.split("/runs/")
    with streamed(frozen, run) as events:
        before = until_text(events)
        with frozen.frozen():
            after = rest_after(served.gateway, run, before)
            assert text_of(before + after) == WHOLE
            assistant = post(served.gateway, "/assistants", model="gpt-5.4-mini")["id"]
            next_run = add_run(served.gateway, thread, assistant, "tokens=3")
            with streamed(served.gateway, next_run) as events_of_next:
                assert text_of(events_of_next) == "1 2 3 "
        assert text_of(before + list(events)) == WHOLE
