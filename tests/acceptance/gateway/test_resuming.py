"""A stream that was cut goes on where it ended, for any reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.support.gateway_streams import Found, events_of, text_of
from tests.support.processes.gateway import Gateways

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@contextmanager
def streamed(served: Served, path: str, **options: Any) -> Iterator[Iterator[Found]]:
    """The events of a stream: number, name and data."""
    with httpx.stream("GET", f"{served.gateway.url}{path}", timeout=30, **options) as response:
        assert response.status_code == 200, response.read()
        yield events_of(response)


def begin(served: Served, text: str) -> str:
    """A run that answers so; the path of its events."""
    client = served.client()
    assistant = client.beta.assistants.create(model="gpt-5.4-mini")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": text}])
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    return f"/v1/threads/{thread.id}/runs/{run.id}/events"


@pytest.mark.parametrize("by_header", [True, False])
def test_behind_the_last_number_comes_the_rest(served: Served, by_header: bool) -> None:
    path = begin(served, "tokens=40 delay=0.01")
    before: list[Found] = []
    with streamed(served, path, params={"starting_after": "0"}) as events:
        while text_of(before).count(" ") < 10:
            before.append(next(events))
    last = before[-1][0]
    options: dict[str, Any] = (
        {"headers": {"last-event-id": str(last)}}
        if by_header
        else {"params": {"starting_after": str(last)}}
    )
    with streamed(served, path, **options) as events:
        after = list(events)
    numbers = [number for number, name, _ in before + after if name != "done"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert text_of(before + after) == "".join(f"{n} " for n in range(1, 41))


def test_without_a_number_what_is_open_comes_first(served: Served) -> None:
    path = begin(served, "tokens=60 delay=0.02")
    with streamed(served, path, params={"starting_after": "0"}) as events:
        for _, name, _ in events:
            if name == "thread.message.delta":
                break
    with streamed(served, path) as events:
        found = list(events)
    names = [name for _, name, _ in found]
    assert names[:3] == [
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.message.created",
    ]
    [begun] = [data for _, name, data in found if name == "thread.message.created"]
    so_far = "".join(part["text"]["value"] for part in begun["content"])
    assert so_far + text_of(found) == "".join(f"{n} " for n in range(1, 61))
    assert names[-2:] == ["thread.run.completed", "done"]


def test_an_ended_run_tells_how_it_ended(served: Served) -> None:
    path = begin(served, "hello")
    with streamed(served, path, params={"starting_after": "0"}) as events:
        whole = list(events)
    with streamed(served, path) as events:
        found = list(events)
    assert [name for _, name, _ in found] == ["thread.run.completed", "done"]
    assert whole[-1][1] == "done"


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 20, "\u0661"])
def test_what_is_no_number_is_refused(served: Served, given: str) -> None:
    path = begin(served, "hello")
    answer = httpx.get(f"{served.gateway.url}{path}", params={"starting_after": given})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "starting_after"


def test_a_number_behind_the_last_event_is_refused(served: Served) -> None:
    path = begin(served, "hello")
    with streamed(served, path, params={"starting_after": "0"}) as events:
        last = [number for number, _, _ in events][-2]
    answer = httpx.get(f"{served.gateway.url}{path}", params={"starting_after": str(last + 50)})
    assert answer.status_code == 400


def test_a_gateway_that_ends_says_so_and_another_goes_on(
    served: Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Gateways(tmp_path_factory.mktemp("ending")) as gateways:
        second = gateways.start()
        path = begin(served, "tokens=100 delay=0.05")
        before: list[Found] = []
        url = f"{second.url}{path}?starting_after=0"
        with httpx.stream("GET", url, timeout=30) as response:
            for found in events_of(response):
                before.append(found)
                if len(before) == 12:
                    second.terminate()
        assert before[-1][1] == "error"
        assert "error" in before[-1][2]
        assert second.wait() == 0
    told = before[:-1]
    with streamed(served, path, headers={"last-event-id": str(told[-1][0])}) as events:
        after = list(events)
    assert text_of(told + after) == "".join(f"{n} " for n in range(1, 101))
