"""What a model says is decided here; all the rest is what runs in production."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web import app

from threadmill.testing import Call, Reply, StandIn, by_text
from threadmill.testing.workers import Workers

ASKED = Reply([Call("find_trains", {"start": "Vienna", "destination": "Prague"})])


@pytest.fixture(autouse=True)
def model(threadmill_standin: StandIn, threadmill_worker: Workers) -> None:
    threadmill_standin.brain = by_text({"Hello": "Good morning!", "When": [ASKED, "At 06:10."]})
    threadmill_worker("bot")


@pytest.fixture
def ada() -> Iterator[TestClient]:
    with TestClient(app) as browser:
        browser.get("/chats/prague")
        yield browser


@pytest.fixture
def eve() -> Iterator[TestClient]:
    with TestClient(app) as browser:
        browser.get("/chats/prague")
        yield browser


def say(browser: TestClient, text: str, key: str = "1") -> str:
    answer = browser.post("/chats/prague/messages", json={"text": text, "key": key})
    assert answer.status_code == 200
    run: str = answer.json()["run"]
    return run


def stream(browser: TestClient, run: str, **headers: str) -> str:
    return browser.get(f"/chats/prague/runs/{run}/events", headers=headers).text


def told(browser: TestClient) -> list[tuple[str, str]]:
    chat: dict[str, Any] = browser.get("/chats/prague/messages").json()
    return [(message["role"], message["text"]) for message in chat["messages"]]


def test_the_answer_is_streamed_and_then_in_the_chat(ada: TestClient) -> None:
    events = stream(ada, say(ada, "Hello")).split("\n\n")
    deltas = [one.split("data: ")[1] for one in events if "event: thread.message.delta" in one]
    texts = [json.loads(one)["delta"]["content"][0]["text"]["value"] for one in deltas]
    assert "".join(texts) == "Good morning!"
    assert told(ada) == [("user", "Hello"), ("assistant", "Good morning!")]


def test_a_stream_that_was_cut_continues_behind_the_last_event(ada: TestClient) -> None:
    run = say(ada, "Hello")
    whole = stream(ada, run)
    half = whole[: whole.index("\n\n", len(whole) // 2) + 2]
    last = half.rpartition("\nid: ")[2].split("\n")[0]
    assert half + stream(ada, run, **{"Last-Event-ID": last}) == whole


def test_the_browser_sees_which_tool_is_used_and_not_what_for(ada: TestClient) -> None:
    whole = stream(ada, say(ada, "When?"))
    assert "find_trains" in whole
    for private in ("Prague", "08:10", "travel desk"):
        assert private not in whole


def test_a_message_that_is_sent_twice_is_said_once(ada: TestClient) -> None:
    run = say(ada, "Hello")
    assert say(ada, "Hello") == run
    stream(ada, run)
    assert len(told(ada)) == 2


def test_the_next_message_has_to_wait_for_the_answer(ada: TestClient) -> None:
    run = say(ada, "When?")
    again = ada.post("/chats/prague/messages", json={"text": "Hello", "key": "2"})
    assert again.status_code == 409
    stream(ada, run)
    assert stream(ada, say(ada, "Hello", "3"))


def test_nobody_reads_the_chat_of_another(ada: TestClient, eve: TestClient) -> None:
    run = say(ada, "Hello")
    assert told(eve) == []
    assert eve.get(f"/chats/prague/runs/{run}/events").status_code == 404
    assert eve.get(f"/chats/prague/runs/run_{'0' * 32}/events").status_code == 404
    with TestClient(app) as stranger:
        assert stranger.get("/chats/prague/messages").status_code == 401
    stream(ada, run)


def test_the_page_runs_no_script_but_its_own(ada: TestClient) -> None:
    page = ada.get("/")
    assert page.url.path.startswith("/chats/")
    assert "default-src 'none'; script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
