"""What the length of a thread costs: a say that sends the last 20 messages, and a page of them."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from harness.cpu import Stopwatch, cpu_seconds
from harness.effort import Effort
from harness.results import Figure, Result, Values, results
from harness.rounds import Contender, alternate
from harness.store import emptied
from harness.workers import worker

from threadmill import Assistant, Thread
from threadmill.transfer import import_file

SHORTEST = "10 messages"
LENGTHS = {SHORTEST: 10, "100 messages": 100, "1,000 messages": 1000, "threadmill": 10_000}
FIGURES = (
    Figure("history.say", "say, the last 20 messages sent", "ms", (SHORTEST,)),
    Figure("history.worker_cpu", "say, CPU of the worker", "ms", (SHORTEST,)),
    Figure("history.messages", "get_messages(limit=10)", "ms", (SHORTEST,)),
    Figure("history.messages_cpu", "get_messages, CPU of the reader", "ms", (SHORTEST,)),
)
LAST = {"type": "last_messages", "last_messages": 20}
TEXT = "What is the capital of France, and how many people live in it? " * 2
PAGES = 300


def measure(effort: Effort) -> list[Result]:
    """Measure threads of each length, one after the other in every round."""
    emptied()
    with worker() as process:
        says = max(10, effort.samples // 3)
        contenders: dict[str, Contender] = {
            name: partial(_values, _thread_maker(length, says), _filled(length), process.pid, says)
            for name, length in LENGTHS.items()
        }
        rounds = alternate(effort, contenders)
    return [
        result
        for name in rounds
        for result in results(
            FIGURES, rounds, contender=name, over="messages", at=float(LENGTHS[name])
        )
    ]


def _thread_maker(length: int, says: int) -> Callable[[], Thread]:
    """Makes the thread of a say: a new one if a say would make it much longer."""
    if length < 10 * says:
        return partial(_filled, length)
    thread = _filled(length)
    return lambda: thread


def _filled(length: int) -> Thread:
    """A thread in which the user and the assistant take turns: a turn is sent whole, or not."""
    # With hexadecimal digits alone it could be one of ours, which an import keeps.
    key = f"thread_Of{uuid.uuid4().hex}"
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps(line) + "\n" for line in _lines(key, length))
        file.flush()
        import_file(file.name)
    thread = Thread(key=key)
    if len(thread.get_messages(limit=10)) != 10:
        raise RuntimeError(f"the thread of {length} messages was not imported")
    return thread


def _lines(key: str, length: int) -> Iterator[dict[str, Any]]:
    yield {"object": "thread", "id": key, "created_at": 1}
    for number in range(length):
        yield {
            "object": "thread.message",
            "id": f"msg_{uuid.uuid4().hex}",
            "thread_id": key,
            "role": "assistant" if number % 2 else "user",
            "created_at": number + 1,
            "content": [{"type": "text", "text": {"value": TEXT, "annotations": []}}],
        }


def _values(make_thread: Callable[[], Thread], unsaid: Thread, pid: int, says: int) -> Values:
    """Say on one thread, and read another: what was said has more fields than what is imported."""
    ai = Assistant(name="bench")
    threads = [make_thread() for _ in range(says)]
    watch = Stopwatch(lambda: cpu_seconds(pid))
    said = [_seconds(partial(_say, ai, thread)) for thread in threads]
    worker_cpu = watch.cpu
    reading = Stopwatch()
    read = [_seconds(partial(unsaid.get_messages, limit=10)) for _ in range(PAGES)]
    return {
        "history.say": statistics.median(said) * 1000,
        "history.worker_cpu": worker_cpu / says * 1000,
        "history.messages": statistics.median(read) * 1000,
        "history.messages_cpu": reading.cpu / PAGES * 1000,
    }


def _say(ai: Assistant, thread: Thread) -> None:
    options = {"event_handler_class": None, "truncation_strategy": LAST}
    ai.say("tokens=1 delay=0", thread=thread, **options)  # type: ignore[arg-type]


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
