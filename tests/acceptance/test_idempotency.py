"""One run per idempotency key, whoever repeats the call, and however often at once."""

from __future__ import annotations

import json

import pytest
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import StandIn

pytestmark = pytest.mark.any_api

KEYS = {"order-7": "the shop's thread", "order-8": None}
"""Idempotency keys, and the keys of the threads that they are used on; None: a new thread."""

ENQUEUE = """
    import asyncio, json, sys
    from threadmill import Assistant, Thread

    async def main() -> None:
        plain, keys = Assistant(name="plain"), json.loads(sys.argv[1])
        await plain.enqueue_async("Somewhere else.")  # connections are open from here on
        print("ready", flush=True)
        sys.stdin.readline()

        def enqueue(key):
            thread = keys[key] and Thread(key=keys[key])
            return plain.enqueue_async(f"Do {key}.", thread, idempotency_key=key)

        runs = await asyncio.gather(*(enqueue(key) for key in keys for _ in range(100)))
        print(json.dumps([[run.id, run.thread_id] for run in runs]))

    asyncio.run(main())
"""


def enqueue_again(key: str, message: str) -> Run:
    thread_key = KEYS[key]
    thread = Thread(key=thread_key) if thread_key else None
    return Assistant(name="plain").enqueue(message, thread, idempotency_key=key)


def enqueue_everywhere() -> dict[str, set[tuple[str, str]]]:
    """From two processes a hundred times each at once; the ids of runs and threads by key."""
    scripts = [Script.of_source(ENQUEUE, json.dumps(KEYS)) for _ in range(2)]
    assert [script.line() for script in scripts] == ["ready"] * 2
    for script in scripts:
        script.write("go")
    first, second = ([(a, b) for a, b in json.loads(script.finish())] for script in scripts)
    assert len(first) == len(second) == 200
    return {"order-7": {*first[:100], *second[:100]}, "order-8": {*first[100:], *second[100:]}}


def test_two_processes_that_use_a_key_a_hundred_times_at_once_make_one_run(
    workers: Workers, standin: StandIn
) -> None:
    enqueued = enqueue_everywhere()
    runs = {key: Run.load(run_id) for key, [(run_id, _)] in enqueued.items()}
    assert runs["order-7"].thread_id == Thread(key=KEYS["order-7"]).id
    assert_kept(runs)
    workers.start("bot")
    for run in runs.values():
        run.wait(10)
        assert (run.status, run.attempt) == ("completed", 1)
        roles = [message.role for message in Thread(run.thread_id).get_messages()]
        assert roles == ["user", "assistant"]
    assert_kept(runs)
    texts = [request.user_text for request in standin.requests]
    assert [texts.count(f"Do {key}.") for key in KEYS] == [1, 1]


def assert_kept(runs: dict[str, Run]) -> None:
    """The same call gives the same run, and another one with its key is refused."""
    for key, run in runs.items():
        assert enqueue_again(key, f"Do {key}.").id == run.id
        with pytest.raises(errors.IdempotencyMismatch):
            enqueue_again(key, "Do something else.")
