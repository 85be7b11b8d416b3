"""`make bench-watched`: what logs and metrics cost a worker.

Three workers live side by side, each with a namespace of its own: two that log nothing and count
nothing ("off", "off again"), and one that writes JSON lines at INFO and whose metrics are scraped
each second ("on"). In each round each of them executes the same runs, one worker at a time. The
figure is the CPU time of the worker's process per run. The two that are off tell how much two equal
workers differ: "on" must not differ by more, and by at most 5 %.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.cpu import cpu_seconds
from harness.ended import ended
from harness.servers import free_port, start_redis, start_standin
from harness.signals import exit_on_signals

from threadmill import Assistant
from threadmill.client.current import close_client

MESSAGE = "tokens=50 delay=0.002"
AT_ONCE = 25
LIMIT = 0.05
OFF = ["--log-level", "ERROR"]
ON = ["--log-level", "INFO"]


class Watched:
    """A worker in a namespace of its own."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process
        self.cpu_ms: list[float] = []
        """Per run, of each round."""

    def measure(self, runs: int) -> None:
        """Let it execute runs, and note what they cost."""
        before = cpu_seconds(self._process.pid)
        self.execute(runs)
        self.cpu_ms.append((cpu_seconds(self._process.pid) - before) / runs * 1000)

    def execute(self, runs: int) -> None:
        """Let it execute runs, some at a time."""
        close_client()
        os.environ["THREADMILL_NAMESPACE"] = self.name.replace(" ", "-")
        asyncio.run(self._say(runs))
        close_client()

    async def _say(self, runs: int) -> None:
        ai = Assistant(name="bench")
        for begun in range(0, runs, AT_ONCE):
            count = min(AT_ONCE, runs - begun)
            started = await asyncio.gather(*(ai.enqueue_async(MESSAGE) for _ in range(count)))
            await asyncio.gather(*(run.wait_async(60) for run in started))


def main() -> None:
    """Measure, print, and say whether the targets hold."""
    options = _options()
    exit_on_signals()
    with ExitStack() as stack:
        os.environ["THREADMILL_REDIS_URL"] = stack.enter_context(start_redis())
        os.environ["OPENAI_BASE_URL"] = stack.enter_context(start_standin())
        os.environ["OPENAI_API_KEY"] = "none"
        os.chdir(Path(__file__).parent)
        port = free_port()
        watched = [
            stack.enter_context(_worker("off", OFF)),
            stack.enter_context(_worker("off again", OFF)),
            stack.enter_context(
                _worker("on", ON, THREADMILL_LOG_FORMAT="json", THREADMILL_METRICS_PORT=str(port))
            ),
        ]
        for one in watched:
            one.execute(options.runs // 2)  # until its caches are warm
        stack.enter_context(_scraped(port))
        for number in range(options.rounds):
            for one in watched[number % 3 :] + watched[: number % 3]:
                one.measure(options.runs)
    sys.exit(_verdict(*watched))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="runs per worker and round")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


@contextmanager
def _worker(name: str, arguments: list[str], **settings: str) -> Iterator[Watched]:
    env = os.environ | settings | {"THREADMILL_NAMESPACE": name.replace(" ", "-")}
    command = [sys.executable, "-m", "threadmill", "worker", "processes.bot", *arguments]
    with Path(os.devnull).open("w") as nowhere:
        process = subprocess.Popen(command, env=env, stdout=nowhere, stderr=nowhere, text=True)
        with ended(process):
            yield Watched(name, process)


@contextmanager
def _scraped(port: int) -> Iterator[None]:
    """Read the metrics each second, as Prometheus would do every 15 or so."""
    is_over = threading.Event()

    def scrape() -> None:
        while not is_over.wait(1):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                answer.read()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    yield
    is_over.set()
    thread.join()


def _verdict(*watched: Watched) -> int:
    for one in watched:
        figures = " ".join(f"{value:6.2f}" for value in one.cpu_ms)
        print(f"{one.name:10} median {statistics.median(one.cpu_ms):6.2f} ms a run: {figures}")
    off, again, on = watched
    noise = max(abs(a / b - 1) for a, b in zip(again.cpu_ms, off.cpu_ms, strict=True))
    cost = statistics.median(on.cpu_ms) / statistics.median([*off.cpu_ms, *again.cpu_ms]) - 1
    print(f"two equal workers differ by up to {noise:.1%} in a round")
    holds = cost <= min(noise, LIMIT)
    print(f"{'ok  ' if holds else 'MISS'} logs and metrics cost {cost:+.1%} (<= {LIMIT:.0%})")
    return 0 if holds else 1


if __name__ == "__main__":
    main()
