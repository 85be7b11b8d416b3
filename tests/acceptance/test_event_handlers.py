"""Handlers of a `say` and of a `Thread.run`, told by a worker's log."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import openai
import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.commands import STRICT, run_command
from tests.support.processes.script import Script
from tests.support.recording_handlers import ALL, NAMES, Note, Ours, Theirs, TheirsAsync

from threadmill import Assistant, EventHandler, PrintHandler, Run, Thread, errors, tool
from threadmill.testing import Fault, Pause, Reply, StandIn, Text
from threadmill_shared.tools import as_tool

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

CALLS = 'call show_int {"value":1} call wait_on_loop {"seconds":0.05}'
LONG = "tokens=200 delay=0.02"


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture(autouse=True)
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


@pytest.fixture
def toolbox() -> Assistant:
    assistant = Assistant.load("toolbox")
    assistant.clear_default_thread()
    return assistant


def of(hook: str, notes: list[Note]) -> list[list[Any]]:
    return [arguments for name, arguments in notes if name == hook]


def check(run: Run, notes: list[Note]) -> None:
    """The run made two calls in one step, then said something; each was told of once."""
    assert run.status == "completed"
    assert [one["id"] for [one] in of("on_run_step_done", notes)] == [one.id for one in run.steps]
    calls = [call for step in run.steps for call in step.tool_calls]
    told = [one for [one] in of("on_tool_call_done", notes)]
    assert [(one["id"], one["function"]["output"]) for one in told] == [
        (one.id, one.output) for one in calls
    ]
    assert len(calls) == 2
    assert len(of("on_tool_call_created", notes)) == 2
    assert [one["value"] for [one] in of("on_text_done", notes)] == [run.text]
    pieces = "".join(delta["value"] for delta, _ in of("on_text_delta", notes))
    assert pieces == run.text
    assert of("on_text_delta", notes)[-1][1]["value"] == run.text
    assert len(of("on_message_done", notes)) == 1
    assert of("on_end", notes) == [[]]
    assert notes[-1] == ("on_end", [])
    assert not of("on_exception", notes)


@pytest.mark.parametrize("handler_class", ALL, ids=NAMES)
@pytest.mark.parametrize("way", ["say", "run", "say_async", "run_async", "say in a loop"])
def test_a_handler_follows_a_run_of_several_steps(
    handler_class: Any, way: str, toolbox: Assistant
) -> None:
    notes: list[Note] = []
    how: dict[str, Any] = {
        "event_handler_class": handler_class,
        "event_handler_kwargs": {"notes": notes},
        "timeout": 20,
    }
    thread = Thread()

    async def in_a_loop() -> Run:
        return toolbox.say(CALLS, thread=thread, **how)

    if "run" in way:
        thread.add(CALLS)
    ways: dict[str, Callable[[], Run]] = {
        "say": lambda: toolbox.say(CALLS, thread=thread, **how),
        "run": lambda: thread.run(toolbox, **how),
        "say_async": lambda: asyncio.run(toolbox.say_async(CALLS, thread=thread, **how)),
        "run_async": lambda: asyncio.run(thread.run_async(toolbox, **how)),
        "say in a loop": lambda: asyncio.run(in_a_loop()),
    }
    check(ways[way](), notes)


def double(value: int) -> int:
    return 2 * value


async def halve(value: int) -> int:
    return value // 2


@pytest.mark.parametrize("handler_class", ALL, ids=NAMES)
@pytest.mark.parametrize("is_async", [False, True], ids=["say", "say_async"])
def test_a_run_that_waits_for_functions_of_this_process_is_told_as_any_other(
    handler_class: Any, is_async: bool
) -> None:
    mine = Assistant(name="mine", tools=[double, halve])
    notes: list[Note] = []
    text = 'call double {"value":4} call halve {"value":4}'
    how: dict[str, Any] = {
        "event_handler_class": handler_class,
        "event_handler_kwargs": {"notes": notes},
        "timeout": 20,
    }
    run = asyncio.run(mine.say_async(text, **how)) if is_async else mine.say(text, **how)
    check(run, notes)
    outputs = [one["function"]["output"] for [one] in of("on_tool_call_done", notes)]
    assert outputs == ["8", "2"]
    events = [event["event"] for [event] in of("on_event", notes)]
    assert events.count("thread.run.requires_action") == 1


@pytest.mark.parametrize("base", [Ours, TheirsAsync], ids=["ours", "theirs-async"])
def test_functions_of_this_process_are_executed_though_a_hook_has_raised(base: Any) -> None:
    class Raising(base):
        async def on_run_step_created(self, run_step: Any) -> None:
            raise ZeroDivisionError

    mine = Assistant(name="mine", tools=[double, halve])
    how: dict[str, Any] = {"event_handler_class": Raising, "event_handler_kwargs": {"notes": []}}
    with pytest.raises(ZeroDivisionError):
        mine.say('call halve {"value":4}', timeout=20, **how)
    [run] = mine.default_thread.runs()
    assert run.status == "completed"
    assert run.text == "halve answered: 2."


LOOKUP = {"type": "function", "name": "lookup"}


@tool(needs_approval=True)
def pay(amount: int) -> str:
    return f"paid {amount}"


PARKED = [
    ("lookup {}", "on_event"),
    ("lookup {}", "on_tool_call_created"),
    ('pay {"amount":3}', "on_run_step_created"),
    ('double {"value":4} call lookup {}', "on_tool_call_created"),
]
"""Calls of which one waits for somebody else, and the hook that raises."""


@pytest.mark.parametrize(("calls", "hook"), PARKED)
@pytest.mark.parametrize("handler_class", ALL, ids=NAMES)
@pytest.mark.parametrize("is_async", [False, True], ids=["say", "say_async"])
def test_what_a_hook_raises_is_not_held_up_by_a_run_that_waits_for_somebody_else(
    handler_class: Any, is_async: bool, calls: str, hook: str
) -> None:
    def fail(self: Any, *about: Any) -> None:
        event = getattr(about[0], "event", "")
        if not event or event == "thread.run.requires_action":
            raise ZeroDivisionError("on purpose")

    async def fail_async(self: Any, *about: Any) -> None:
        fail(self, *about)

    is_hook_async = asyncio.iscoroutinefunction(getattr(handler_class, hook))
    raising = type("Raising", (handler_class,), {hook: fail_async if is_hook_async else fail})
    mine = Assistant(name="mine", tools=[double, LOOKUP, pay])
    how: dict[str, Any] = {
        "event_handler_class": raising,
        "event_handler_kwargs": {"notes": []},
        "timeout": 20,
    }
    say: Callable[[], Any] = partial(mine.say, f"call {calls}", **how)
    if is_async:
        say = lambda: asyncio.run(mine.say_async(f"call {calls}", **how))  # noqa: E731
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        say()
    assert caught.value.__cause__ is None, "it was raised only when the time was over"
    [run] = mine.default_thread.runs()
    assert run.id in caught.value.__notes__[0]
    assert "requires_action" in caught.value.__notes__[0]
    answer(run)
    assert run.wait(20).status == "completed"


def answer(run: Run) -> None:
    """Answer what a parked run waits for; this process has the other functions."""
    run.__bind__([as_tool(double), as_tool(pay)], None)
    assert run.refresh().required_action is not None
    for call in run.required_action.submit_tool_outputs.tool_calls:
        if call.function.name == "lookup":
            run.submit_tool_outputs({call.id: "42"})
        elif call.function.name == "pay":
            run.approve(call.id)


@pytest.mark.parametrize("base", [EventHandler, openai.AsyncAssistantEventHandler])
def test_hooks_may_await_and_leave_tasks_behind_on_one_loop(base: Any, toolbox: Assistant) -> None:
    loops = set()
    ticks: list[int] = []

    class Awaiting(base):
        async def tick(self) -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0.01)

        async def on_run_step_created(self, run_step: Any) -> None:
            loops.add(asyncio.get_running_loop())
            self.task = asyncio.create_task(self.tick())

        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            await asyncio.sleep(0)
            loops.add(asyncio.get_running_loop())

        async def on_end(self) -> None:
            # On a busy machine all events may have come at once.
            while len(ticks) <= 5:
                await asyncio.sleep(0.01)
            self.task.cancel()

    run = toolbox.say("tokens=20 delay=0.02", event_handler_class=Awaiting, timeout=20)
    assert run.status == "completed"
    assert len(loops) == 1


def test_hooks_of_a_blocking_say_are_called_in_the_callers_thread(toolbox: Assistant) -> None:
    threads = set()

    class Where(EventHandler):
        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            threads.add(threading.current_thread())

    class WhereAsync(openai.AsyncAssistantEventHandler):
        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            threads.add(threading.current_thread())

    for handler_class in (Where, WhereAsync):
        toolbox.say("Hello!", event_handler_class=handler_class, timeout=20)
    assert threads == {threading.current_thread()}


def test_the_run_is_known_from_its_beginning(toolbox: Assistant) -> None:
    class Cancelling(EventHandler):
        def on_begin(self, run: Run) -> None:
            self.run = run

        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            if snapshot.value == "1 ":
                self.run.cancel()

    run = toolbox.say(LONG, event_handler_class=Cancelling, timeout=20)
    assert run.status == "cancelled"


@pytest.mark.parametrize("handler_class", [Ours, TheirsAsync], ids=["ours", "theirs-async"])
def test_a_failed_run_is_told_to_its_end(
    handler_class: Any, toolbox: Assistant, standin: StandIn
) -> None:
    standin.brain = lambda _: Fault(status=400)
    notes: list[Note] = []
    with pytest.raises(errors.RunFailed):
        toolbox.say(
            "Hello!",
            event_handler_class=handler_class,
            event_handler_kwargs={"notes": notes},
            timeout=20,
        )
    events = [event["event"] for [event] in of("on_event", notes)]
    assert "thread.run.failed" in events[-2:]
    assert not of("on_exception", notes)
    assert of("on_end", notes) == [[]]


@pytest.mark.parametrize("handler_class", ALL, ids=NAMES)
def test_a_timeout_is_told_and_raised_and_the_run_goes_on(
    handler_class: Any, toolbox: Assistant
) -> None:
    notes: list[Note] = []
    with pytest.raises(errors.WaitTimeout) as caught:
        toolbox.say(
            LONG,
            event_handler_class=handler_class,
            event_handler_kwargs={"notes": notes},
            timeout=0.5,
        )
    assert [name for name, _ in notes][-3:] == ["on_timeout", "on_exception", "on_end"]
    assert caught.value.run.refresh().status == "in_progress"
    assert caught.value.run.cancel().wait(10).status == "cancelled"


@pytest.mark.parametrize("handler_class", ALL, ids=NAMES)
@pytest.mark.parametrize("is_async", [False, True], ids=["say", "say_async"])
def test_what_a_hook_raises_reaches_the_caller_when_the_run_has_ended(
    handler_class: Any, is_async: bool, toolbox: Assistant
) -> None:
    class Raising(handler_class):
        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            raise ZeroDivisionError("on purpose")

    notes: list[Note] = []
    how: dict[str, Any] = {
        "event_handler_class": Raising,
        "event_handler_kwargs": {"notes": notes},
        "timeout": 20,
    }
    say: Callable[[], Any] = partial(toolbox.say, "tokens=20 delay=0.02", **how)
    if is_async:
        say = lambda: asyncio.run(toolbox.say_async("tokens=20 delay=0.02", **how))  # noqa: E731
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        say()
    [run] = toolbox.default_thread.runs()
    assert run.status == "completed"
    assert len(run.text.split()) == 20
    assert caught.value.__notes__ == [
        f"threadmill: an event hook raised this; {run.id} continued, and is completed."
    ]
    assert [name for name, _ in notes][-2:] == ["on_exception", "on_end"]


def test_what_a_hook_raises_reaches_the_caller_though_the_run_does_not_end_in_time(
    toolbox: Assistant,
) -> None:
    class Raising(EventHandler):
        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            raise TimeoutError("the hook's own")

    with pytest.raises(TimeoutError, match="the hook's own") as caught:
        toolbox.say(LONG, event_handler_class=Raising, timeout=1)
    assert isinstance(caught.value.__cause__, errors.WaitTimeout)
    assert caught.value.__cause__.run.cancel().wait(10).status == "cancelled"


class NoHandler:
    pass


@pytest.mark.parametrize(
    ("handler_class", "arguments", "words"),
    [
        (PrintHandler, {"print_message": False}, "unexpected keyword argument 'print_message'"),
        (PrintHandler, ["print_steps"], "event_handler_kwargs must be a dict"),
        (PrintHandler(), None, "must be a class"),
        (Theirs, {}, "missing a required argument: 'notes'"),
        (TheirsAsync, {"notes": [], "more": 1}, "unexpected keyword argument 'more'"),
        (
            NoHandler,
            {},
            "NoHandler is not an event handler. Derive it from threadmill.EventHandler",
        ),
        (None, {"print_steps": False}, "event_handler_kwargs needs an event_handler_class"),
    ],
)
def test_a_handler_that_cannot_be_made_is_refused_before_anything_is_written(
    handler_class: Any, arguments: Any, words: str, toolbox: Assistant
) -> None:
    thread = Thread()
    with pytest.raises(TypeError, match=words):
        toolbox.say(
            "Hello!",
            thread=thread,
            event_handler_class=handler_class,
            event_handler_kwargs=arguments,
        )
    assert thread.runs() == []


WITHOUT_THE_PACKAGE = """
import sys
from threadmill import Assistant, EventHandler

class Mine(EventHandler):
    async def on_text_done(self, text):
        print(text.value)

Assistant.load("toolbox").say("tokens=3", event_handler_class=Mine)
assert "openai" not in sys.modules
"""


def test_the_openai_package_is_imported_only_by_whoever_derives_from_it() -> None:
    ended = run_command(*STRICT, "-c", WITHOUT_THE_PACKAGE)
    assert (ended.stdout.strip(), ended.stderr) == ("1 2 3", "")


CTRL_C = """
import signal, sys
from threadmill import Assistant, EventHandler

class Mine(EventHandler):
    async def on_text_delta(self, delta, snapshot):
        print(delta.value, flush=True)

    async def on_end(self):
        print("end", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    Assistant.load("toolbox").say("tokens=200 delay=0.05", event_handler_class=Mine)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_cancels_the_run_of_an_async_handler_too(standin: StandIn) -> None:
    script = Script.of_source(CTRL_C)
    assert script.line() == "1 "
    script.interrupt()
    assert script.finish().split()[-2:] == ["end", "interrupted"]
    standin.wait_until(lambda requests: requests[-1].closed_early)


@pytest.mark.parametrize("base", [Ours, TheirsAsync], ids=["ours", "theirs-async"])
def test_a_takeover_ends_the_abandoned_message_and_begins_another_one(
    base: Any, toolbox: Assistant, lasting: Lasting
) -> None:
    """The worker that executes the run is killed in the middle of its message."""
    pause = Pause(after_tokens=5)
    tale = Reply([Text([f"{number} " for number in range(1, 61)])], delay=0.02, pause=pause)
    lasting.standin.brain = lambda _: tale
    lasting.workers.start("toolbox")
    notes: list[Note] = []

    class Killing(base):
        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            notes.append(("on_text_delta", [snapshot.value]))
            if len(of("on_text_delta", notes)) == 5:
                [run] = await toolbox.default_thread.runs_async()
                assert run.worker is not None
                os.kill(int(run.worker.rpartition(":")[2]), signal.SIGKILL)
                pause.end()

    run = toolbox.say(
        "Tell me a tale.",
        event_handler_class=Killing,
        event_handler_kwargs={"notes": notes},
        timeout=60,
    )
    assert (run.status, run.attempt) == ("completed", 2)
    done = [one for [one] in of("on_message_done", notes)]
    assert [one["status"] for one in done] == ["incomplete", "completed"]
    assert [one["value"] for [one] in of("on_text_done", notes)][1] == run.text
    [first, *_, last] = of("on_text_delta", notes)
    assert (first, last) == (["1 "], [run.text])
    assert len(of("on_message_created", notes)) == 2
    assert [one["status"] for [one] in of("on_run_step_done", notes)] == ["cancelled", "completed"]
    assert of("on_end", notes) == [[]]
