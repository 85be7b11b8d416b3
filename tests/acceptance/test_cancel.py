"""Cancelling a run: from any process, at any time, and at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers
from tests.support.provider_requests import is_speaking, tool_outputs
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Pause, Reply, StandIn, Text

pytestmark = pytest.mark.any_api

WITHIN_SECONDS = 0.1

CANCEL = """
    import sys, time
    from threadmill import Run

    run = Run.load(sys.argv[1])
    print("loaded", flush=True)
    sys.stdin.readline()
    print(time.monotonic())
    run.cancel()
"""


@pytest.fixture(scope="module")
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def enqueue(text: str, thread: Thread) -> Run:
    return Assistant(name="plain").enqueue(text, thread)


def enqueue_calls(text: str, thread: Thread) -> Run:
    return Assistant.load("toolbox").enqueue(text, thread)


def say(text: str, thread: Thread) -> Run:
    return Assistant.load("toolbox").say(text, thread=thread, event_handler_class=None, timeout=20)


def enqueue_long(standin: StandIn, thread: Thread) -> Run:
    """A run in the middle of a message, whose next token comes too late to tell it of a cancel."""
    standin.forget()
    run = enqueue("tokens=100 delay=5", thread)
    standin.wait_until(lambda requests: bool(requests and requests[0].token_times))
    return run


def cancel_elsewhere(run: Run, standin: StandIn) -> float:
    """Cancel from another process; the seconds from its call to the provider's closed socket."""
    script = Script.of_source(CANCEL, run.id)
    assert script.line() == "loaded"
    script.write("go")
    called_at = float(script.line())
    script.finish()
    standin.wait_until(lambda requests: requests[-1].closed_early)
    closed_at = standin.requests[-1].closed_at
    assert closed_at is not None
    return closed_at - called_at


def assert_usable(thread: Thread) -> None:
    assert say("And now?", thread).status == "completed"


@pytest.mark.quiet
@pytest.mark.usefixtures("worker")
def test_a_cancel_elsewhere_closes_the_providers_socket_and_keeps_the_partial_message(
    standin: StandIn, report: Callable[[str], None], api: str
) -> None:
    seconds = []
    for _ in range(3):
        thread = Thread()
        run = enqueue_long(standin, thread)
        seconds.append(cancel_elsewhere(run, standin))
        assert run.wait(5).status == "cancelled"
        [_, partial] = thread.get_messages()
        assert partial.status == "incomplete"
        assert partial.text == "1 "
        assert_usable(thread)
    assert max(seconds) < WITHIN_SECONDS
    report(
        f"from cancel to closed socket, {api}\n" + ", ".join(f"{s * 1e3:.0f} ms" for s in seconds)
    )


@pytest.mark.quiet
@pytest.mark.usefixtures("worker")
def test_a_cancel_is_heard_after_garbage_collections_in_the_worker(standin: StandIn) -> None:
    thread, other = Thread(), Thread()
    run = enqueue_long(standin, thread)
    assert say("call collect_garbage {}", other).status == "completed"
    run.cancel()
    assert run.wait(0.9).status == "cancelled"  # before anybody else could end it by force
    standin.wait_until(lambda requests: requests[0].closed_early)
    assert_usable(thread)


def test_a_run_that_nobody_executes_is_cancelled_at_once(
    workers: Workers, standin: StandIn
) -> None:
    alone, thread = Thread(), Thread()
    sent, first, second, third = (
        enqueue("Sent.", alone),
        enqueue("First.", thread),
        enqueue("Second.", thread),
        enqueue("Third.", thread),
    )
    assert sent.cancel().status == second.cancel().status == "cancelled"
    workers.start("toolbox")
    assert [run.wait(10).status for run in (first, third)] == ["completed"] * 2
    assert_usable(alone)
    assert [r.user_text for r in standin.requests] == ["First.", "Third.", "And now?"]
    assert [m.text for m in thread.get_messages() if m.role == "user"] == ["First.", "Third."]


def test_a_run_in_line_is_cancelled_while_the_one_before_it_goes_on(
    workers: Workers, standin: StandIn
) -> None:
    pause = Pause(after_tokens=10)
    standin.brain = lambda _: Reply([Text([f"{n} " for n in range(20)])], pause=pause)
    workers.start("toolbox")
    thread = Thread()
    first, second, third = (enqueue(f"Number {n}.", thread) for n in range(3))
    standin.wait_until(is_speaking)
    assert second.cancel().status == "cancelled"
    pause.end()
    assert [run.wait(10).status for run in (first, third)] == ["completed"] * 2
    assert [r.user_text for r in standin.requests] == ["Number 0.", "Number 2."]


@pytest.mark.usefixtures("worker")
def test_calls_that_a_cancel_interrupts_get_outputs_and_the_thread_is_usable(
    standin: StandIn,
) -> None:
    thread = Thread()
    calls = 'call wait_on_loop {"seconds": 20} call wait_in_thread {"seconds": 2} call fail {}'
    run = enqueue_calls(calls, thread)
    wait_until(lambda: outputs(run) == 1, "one call has its output, two go on")
    assert run.cancel().wait(5).status == "cancelled"
    assert_usable(thread)
    closing = tool_outputs(standin.requests[-1])
    assert len(closing) == 3
    assert sum("run ended before" in output for output in closing) == 2


def outputs(run: Run) -> int:
    steps: list[Any] = run.refresh().steps
    return sum(call.output is not None for step in steps for call in step.tool_calls)
