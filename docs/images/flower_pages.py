"""Makes `flower-tasks.png` and `flower-task.png`: what Flower shows of runs.

A few runs are played against the stand-in provider on a real worker, and Flower's pages are taken
in Chromium. Run in the root, with a Redis server and Chromium on the PATH:
`python -m docs.images.flower_pages`
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.environment import isolated_environment
from tests.support.paths import BOTS
from tests.support.processes.flower import CREDENTIAL, Flower, running_flower
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Answer, Call, Fault, Reply, StandIn, by_text

FOLDER = Path(__file__).parent
ANSWERS: dict[str, Answer | list[Answer | str]] = {
    "Where is order 7?": [Reply([Call("look_up", {"order": 7})]), "On its way."],
    "Pay order 7 back": [Reply([Call("refund", {"order": 7})]), "Paid back."],
    "Write a novel": Fault.hang(40),
    "Draw me": Fault.status(400, message="No pictures."),
}


def main() -> None:
    """Play the runs, and write the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            RedisServer(folder) as redis,
            StandIn(by_text(ANSWERS)) as standin,
            isolated_environment(redis.url(), standin, "responses"),
            running_flower(folder) as flower,
            Workers(folder) as workers,
        ):
            workers.start("careful", folder=BOTS)
            failed = play()
            wait_until(lambda: "STARTED" not in str(flower.tasks()), "all tasks have ended")
            take(flower, "/tasks", "flower-tasks.png", "2100,620")
            [task] = [id for id in flower.tasks() if id.startswith(failed.id)]
            take(flower, f"/task/{task}", "flower-task.png", "1300,900")


def play() -> Run:
    """Runs of each outcome; returns the one that fails."""
    asked = {text: Assistant.load("careful").enqueue(text, thread=Thread()) for text in ANSWERS}
    wait_until(lambda: asked["Pay order 7 back"].refresh().required_action, "a call waits")
    [call] = asked["Pay order 7 back"].required_action.tool_calls  # type: ignore[union-attr]
    asked["Pay order 7 back"].approve(call.id)
    asked["Write a novel"].cancel()
    for run in asked.values():
        run.wait(20)
    time.sleep(1)  # events are gathered before they are sent
    return asked["Draw me"]


def take(flower: Flower, page: str, name: str, size: str) -> None:
    """Take a picture of a page."""
    program = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options = [
        f"--window-size={size}",
        "--virtual-time-budget=8000",
        f"--screenshot={FOLDER / name}",
    ]
    url = f"http://{CREDENTIAL}@127.0.0.1:{flower.port}{page}"
    command += [*options, url]
    subprocess.run(command, check=True, timeout=60, capture_output=True)  # noqa: S603  our own


if __name__ == "__main__":
    main()
