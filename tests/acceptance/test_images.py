"""Images that earlier turns left: the newest are sent again, and none of them ends a thread."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.acceptance.conftest import Lasting

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import StandIn
from threadmill.testing.standin.plot import sine_plot

EYE = Assistant(name="eye")
PLOT = sine_plot()


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("hosted")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    server = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])
    yield server
    server.close()


def image(folder: Path, name: str, size: int = len(PLOT)) -> Path:
    """A file with an image of so many bytes."""
    path = folder / name
    path.write_bytes(PLOT.ljust(size, b"x"))
    return path


def say(thread: Thread, text: str, *images: Path) -> Run:
    options: dict[str, Any] = {"event_handler_class": None, "timeout": 40}
    return EYE.say(text, thread=thread, image_files=images, **options)


def parts(standin: StandIn) -> list[dict[str, Any]]:
    """The parts of all messages of the user in the last request."""
    messages = [item for item in standin.requests[-1].items if item.get("role") == "user"]
    contents = [message["content"] for message in messages]
    return [one for content in contents if isinstance(content, list) for one in content]


def shown(standin: StandIn) -> int:
    """How many images the model sees."""
    return sum(part["type"] in ("image_url", "input_image") for part in parts(standin))


def told(standin: StandIn) -> str:
    """What the user said, as the model was told."""
    return str(standin.requests[-1].items)


def lose(server: redis.Redis, thread: Thread) -> None:
    """Lose all images of a thread."""
    [key] = server.scan_iter(f"*attached:{thread.id}")
    server.delete(key)


def test_a_request_carries_the_newest_images_that_fit(standin: StandIn, tmp_path: Path) -> None:
    thread = Thread()
    for number in range(4):
        run = say(thread, f"Look at {number}", image(tmp_path, f"{number}.png", 4_000_000))
        assert run.status == "completed"
    assert shown(standin) == 2
    assert len(str(standin.requests[-1].body)) < 16_000_000
    for name in ("0.png", "1.png"):
        assert f"[The image {name} was left out.]" in told(standin)
    say(thread, "Which was the best?")
    assert shown(standin) == 2


def test_a_turn_is_sent_whole_whatever_its_images(standin: StandIn, tmp_path: Path) -> None:
    thread = Thread()
    say(thread, "Look", image(tmp_path, "small.png"))
    large = [image(tmp_path, f"{number}.png", 4_000_000) for number in range(4)]
    assert say(thread, "And at these", *large).status == "completed"
    assert shown(standin) == 4
    assert "[The image small.png was left out.]" in told(standin)


def test_added_messages_never_make_a_request_too_large(standin: StandIn, tmp_path: Path) -> None:
    thread = Thread()
    for number in range(10):
        name = f"{number}.png"
        thread.add(f"Look at {number}", image_files=[image(tmp_path, name, 4_000_000)])
    assert thread.run(EYE, event_handler_class=None, timeout=60).status == "completed"
    assert shown(standin) == 8
    assert len(str(standin.requests[-1].body)) < 50_000_000
    for name in ("0.png", "1.png"):
        assert f"[The image {name} was left out.]" in told(standin)


def test_an_image_of_an_earlier_turn_that_is_gone_is_no_obstacle(
    standin: StandIn, tmp_path: Path, server: redis.Redis
) -> None:
    thread = Thread()
    say(thread, "Look", image(tmp_path, "a.png"))
    lose(server, thread)
    assert say(thread, "Well?").status == "completed"
    assert shown(standin) == 0
    assert "is gone.]" in told(standin)


def test_an_image_that_is_gone_fails_the_run_that_was_to_see_it_by_name(
    standin: StandIn, tmp_path: Path, server: redis.Redis
) -> None:
    thread = Thread()
    thread.add("Look", image_files=[image(tmp_path, "a.png")])
    [key] = server.scan_iter(f"*attached:{thread.id}")
    pieces = [name for name in server.hkeys(key) if b"/" in name]
    server.hdel(key, *pieces)
    with pytest.raises(errors.RunFailed, match=r"a\.png") as failed:
        thread.run(EYE, event_handler_class=None, timeout=30)
    assert failed.value.run.last_error.code == "invalid_prompt"
    events = [event.data for event in failed.value.run.events()]
    assert any(isinstance(data, dict) and data.get("filename") == "a.png" for data in events)

    # It was added to the thread, and nothing has answered it: it fails no other run, though.
    assert say(thread, "What else?").status == "completed"
    assert thread.run(EYE, event_handler_class=None, timeout=30).status == "completed"
    assert "[The image a.png is gone.]" in told(standin)


def test_the_model_is_told_how_closely_it_is_to_look(standin: StandIn) -> None:
    thread = Thread()
    url = f"data:image/png;base64,{base64.b64encode(PLOT).decode()}"
    for detail in ({"detail": "high"}, {"detail": "low"}, {}):
        thread.add([{"type": "image_url", "image_url": {"url": url, **detail}}])
    assert say(thread, "Look.").status == "completed"
    details = [
        part.get("detail") or part["image_url"].get("detail")
        for part in parts(standin)
        if part["type"] in ("image_url", "input_image")
    ]
    unsaid = "auto" if "input" in standin.requests[-1].body else None
    assert details == ["high", "low", unsaid]
