"""Makes `chat_page.png`: the page of `examples/chat_page` while a question is being answered.

A real worker answers against the stand-in provider, and the page is taken in Chromium. Run in the
root, with a Redis server and Chromium on the PATH: `python -m docs.images.chat_page`
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.support.browser import chromium
from tests.support.environment import isolated_environment
from tests.support.processes.chat_page import FOLDER, ChatPage
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill.testing import Call, Pause, Reply, StandIn, Text, by_text

IMAGE = Path(__file__).with_name("chat_page.png")
FIRST, SECOND = "When can I leave for Prague tomorrow?", "And what can I see there in one day?"
ANSWER = "There are trains at 06:10, 08:10 and 10:10. The one at 08:10 is in Prague at noon."
TIPS = ["Walk ", "over ", "the ", "Charles ", "Bridge ", "before ", "the ", "crowds ", "come."]
PAUSE = Pause(after_tokens=len(TIPS) - 1)


def main() -> None:
    """Play the conversation, and write the picture."""
    call = Reply([Call("find_trains", {"start": "Vienna", "destination": "Prague"})])
    brain = by_text({FIRST: [call, ANSWER], SECOND: [Reply([Text(TIPS)], pause=PAUSE)]})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            RedisServer(folder) as redis,
            StandIn(brain) as standin,
            isolated_environment(redis.url(), standin, "responses"),
            Workers(folder) as workers,
            ChatPage(folder / "page.log") as service,
            chromium() as browser,
        ):
            workers.start("bot", folder=FOLDER)
            page = browser.new_page(viewport={"width": 640, "height": 400}, device_scale_factor=2)
            page.goto(f"http://127.0.0.1:{service.port}")
            play(page)
            page.screenshot(path=IMAGE)
            PAUSE.end()


def play(page: Page) -> None:
    """Ask both questions, and wait for the first answer and a half."""
    shown = page.locator("#messages li")
    for question, answer in ((FIRST, ANSWER), (SECOND, "".join(TIPS[:-1]))):
        page.fill("#text", question)
        page.click("#send")
        expect(shown.last).to_have_text(answer)


if __name__ == "__main__":
    main()
