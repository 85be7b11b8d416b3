"""What a producer pays for an accepted run, beside Celery's bare `send_task`.

CPU is that of the producer's process, with all its threads, until the last message is in its queue.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from celery import Celery
from harness.cpu import Stopwatch
from harness.effort import Effort
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import emptied
from harness.waiting import wait_until

from threadmill import Assistant

PEER = "bare send_task"
ONE_BY_ONE = (
    Figure("enqueue.rate", "enqueue, one caller after another", "calls/s", (PEER,)),
    Figure("enqueue.cpu", "enqueue, CPU of the producer", "ms", (PEER,)),
)
AT_ONCE = (
    Figure("enqueue_async.rate", "enqueue_async, 500 at once", "calls/s", (PEER,)),
    Figure("enqueue_async.cpu", "enqueue_async, 500 at once, CPU of the producer", "ms", (PEER,)),
)
MANY = (
    Figure("enqueue_many.rate", "enqueue_many, 500 in a call", "runs/s", (PEER,)),
    Figure("enqueue_many.cpu", "enqueue_many, CPU of the producer", "ms", (PEER,)),
)
MESSAGE = "Please roll five dice"
TOGETHER = 500


def measure(effort: Effort) -> list[Result]:
    """Measure; no worker takes what is sent."""
    server = emptied()
    ai = Assistant(name="bench", instructions="Answer.")
    app = Celery("bare", broker=os.environ["THREADMILL_REDIS_URL"])
    app.conf.task_ignore_result = True
    producer = Producer(server, ai, app, effort.runs)
    producer.warm_up()
    rounds = alternate(effort, {"threadmill": producer.ours, PEER: producer.bare})
    return [
        result
        for figures in (ONE_BY_ONE, AT_ONCE, *([MANY] if producer.has_many else []))
        for result in results(figures, rounds)
    ]


class Producer:
    """A process that sends, in each way that there is."""

    def __init__(self, server: Any, ai: Assistant, app: Celery, calls: int) -> None:
        self._server = server
        self._ai = ai
        self._app = app
        self._calls = calls
        self.has_many = hasattr(ai, "enqueue_many")

    def warm_up(self) -> None:
        """What only the first calls cost."""
        for _ in range(20):
            self._ai.enqueue(MESSAGE)
            self._send_task()
        asyncio.run(self._at_once(TOGETHER))
        wait_until(lambda: self._server.llen("threadmill") == 20 + TOGETHER, "the messages")

    def ours(self) -> Values:
        """Each way of threadmill's."""
        self._server.delete("threadmill")
        values = self._one_by_one() | self._together()
        return values | self._many() if self.has_many else values

    def bare(self) -> Values:
        """The peer of all of them: Celery has one way."""
        self._server.delete("bare")
        watch = Stopwatch()
        for _ in range(self._calls):
            self._send_task()
        values = _values("enqueue", self._calls, watch.seconds, watch.cpu)
        return {
            f"{name}.{what.rpartition('.')[2]}": value
            for name in ("enqueue", "enqueue_async", "enqueue_many")
            for what, value in values.items()
        }

    def _send_task(self) -> None:
        self._app.send_task("bare", args=["run_123"], queue="bare")

    def _one_by_one(self) -> Values:
        watch, before = Stopwatch(), self._sent()
        for _ in range(self._calls):
            self._ai.enqueue(MESSAGE)
        seconds = watch.seconds
        self._wait_sent(before + self._calls)
        return _values("enqueue", self._calls, seconds, watch.cpu)

    def _together(self) -> Values:
        rounds = max(1, self._calls // TOGETHER)
        watch, before = Stopwatch(), self._sent()
        for _ in range(rounds):
            asyncio.run(self._at_once(TOGETHER))
        seconds = watch.seconds
        self._wait_sent(before + rounds * TOGETHER)
        return _values("enqueue_async", rounds * TOGETHER, seconds, watch.cpu)

    async def _at_once(self, calls: int) -> None:
        await asyncio.gather(*(self._ai.enqueue_async(MESSAGE) for _ in range(calls)))

    def _many(self) -> Values:
        ai: Any = self._ai  # an earlier release has no enqueue_many
        watch, before = Stopwatch(), self._sent()
        ai.enqueue_many([MESSAGE] * TOGETHER)
        seconds = watch.seconds
        self._wait_sent(before + TOGETHER)
        return _values("enqueue_many", TOGETHER, seconds, watch.cpu)

    def _sent(self) -> int:
        return int(self._server.llen("threadmill"))

    def _wait_sent(self, count: int) -> None:
        wait_until(lambda: self._sent() == count, "the messages of all runs")


def _values(name: str, calls: int, seconds: float, cpu: float) -> Values:
    return {f"{name}.rate": calls / seconds, f"{name}.cpu": cpu / calls * 1000}
