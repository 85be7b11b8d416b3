"""What handlers are told of a run: each thing once, in order, as it stands then."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import openai
import pytest
from tests.support.recording_handlers import ALL, NAMES, Note, Ours, Teller, Theirs, TheirsAsync
from tests.support.run_playback import RUN_ID, RunPlayback, call

from threadmill import EventHandler
from threadmill.client.driving import drive_briefly
from threadmill.handlers.dispatcher import Dispatcher
from threadmill.handlers.objects import ApiObjectFactory
from threadmill_shared import errors
from threadmill_shared.events.decoder import Event

each = pytest.mark.parametrize("handler_class", ALL, ids=NAMES)


def told(handler_class: Any, tell: Callable[[RunPlayback], None]) -> list[Note]:
    notes: list[Note] = []
    tell(RunPlayback(Teller(handler_class, notes=notes), says=None))
    return notes


def names(notes: list[Note], *left_out: str) -> list[str]:
    return [name for name, _ in notes if name not in left_out]


def of(hook: str, notes: list[Note]) -> list[list[Any]]:
    return [arguments for name, arguments in notes if name == hook]


# ---- as the openai package itself does ---------------------------------------------------------


def says(story: RunPlayback) -> None:
    story.tell("r", "created", {})
    story.tell("r", "queued", {})
    story.tell("r", "in_progress", {})
    story.say("Hel", "lo ", "there!")
    story.end()


def calls(story: RunPlayback) -> None:
    story.tell("r", "in_progress", {})
    made = story.begin_calls(call("roll_dice", '{"n_dice": 5}'))
    made.output(0, "[1, 2]")
    made.end()


def breaks_off(story: RunPlayback) -> None:
    message = story.begin_message("Hel", "lo ")
    message.break_off("run_cancelled", "cancelled")
    story.end("cancelled")


class Collecting(EventHandler):
    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def on_event(self, event: Event) -> None:
        self._events.append(event)


@contextmanager
def streaming(events: list[Event]) -> Iterator[str]:
    """The URL of a server that streams these events to whoever asks for a run."""

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in events:
                data = event.data if event.event == "done" else json.dumps(event.data)
                self.wfile.write(f"event: {event.event}\ndata: {data}\n\n".encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


async def told_by_the_package_async(events: list[Event]) -> list[Note]:
    notes: list[Note] = []
    with streaming(events) as url, pytest.warns(DeprecationWarning, match="Assistants API"):
        async with (
            openai.AsyncOpenAI(base_url=url, api_key="none") as client,
            client.beta.threads.runs.stream(
                thread_id="thread_1", assistant_id="asst_1", event_handler=TheirsAsync(notes)
            ) as stream,
        ):
            await stream.until_done()
    return notes


def told_by_the_package(events: list[Event]) -> list[Note]:
    notes: list[Note] = []
    with streaming(events) as url, pytest.warns(DeprecationWarning, match="Assistants API"):  # noqa: SIM117
        with (
            openai.OpenAI(base_url=url, api_key="none") as client,
            client.beta.threads.runs.stream(
                thread_id="thread_1", assistant_id="asst_1", event_handler=Theirs(notes)
            ) as stream,
        ):
            stream.until_done()
    return notes


@pytest.mark.parametrize("tell", [says, calls, breaks_off])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_of_one_step_handlers_are_told_what_the_package_tells_them(
    tell: Callable[[RunPlayback], None], is_async: bool
) -> None:
    events: list[Event] = []
    tell(RunPlayback(Teller(Collecting, events=events), says=None))
    if is_async:
        theirs = asyncio.run(told_by_the_package_async(events))
    else:
        theirs = told_by_the_package(events)
    ours = told(TheirsAsync if is_async else Theirs, tell)
    if tell is calls:  # this log goes on
        ours.append(("on_end", []))
    assert names(ours) == names(theirs)
    assert [normal(note) for note in ours] == [normal(note) for note in theirs]


def normal(value: Any) -> Any:
    """Without what the package's snapshots lack (annotations), or keep of deltas (index)."""
    if isinstance(value, dict):
        return {
            name: normal(one)
            for name, one in value.items()
            if name != "index" and not (name == "annotations" and one == [])
        }
    return [normal(one) for one in value] if isinstance(value, list | tuple) else value


# ---- a whole run -------------------------------------------------------------------------------


def whole_run(story: RunPlayback) -> None:
    """Two calls at once whose outputs come in the other order, one more call, two messages."""
    for status in ("created", "queued", "in_progress"):
        story.tell("r", status, {})
    story.say("Let me ", "see.")
    both = story.begin_calls(call("one", '{"a":1}'), call("two", '{"b":2}'))
    both.output(1, "second")
    both.output(0, "first")
    both.end()
    more = story.begin_calls(call("three"))
    more.output(0, "third")
    more.end()
    story.say("All ", "done.")
    story.end()


@each
def test_each_hook_is_called_once_for_each_thing_in_the_order_of_the_run(
    handler_class: Any,
) -> None:
    message = ["message_created", "text_created", *["text_delta", "message_delta"]]
    message += ["text_delta", "message_delta", "text_done", "message_done"]
    step = ["run_step_created", *message, "run_step_done"]
    assert names(told(handler_class, whole_run), "on_event") == [
        f"on_{name}"
        for name in [
            *step,
            *("run_step_created", "tool_call_created", "tool_call_created", "run_step_delta"),
            *("tool_call_delta", "run_step_delta", "tool_call_delta", "run_step_delta"),
            *("tool_call_done", "tool_call_done", "run_step_done"),
            *("run_step_created", "tool_call_created", "run_step_delta"),
            *("tool_call_delta", "run_step_delta", "tool_call_done", "run_step_done"),
            *step,
            "end",
        ]
    ]


@each
def test_snapshots_are_what_has_come_so_far(handler_class: Any) -> None:
    notes = told(handler_class, whole_run)
    assert [(delta["value"], so_far["value"]) for delta, so_far in of("on_text_delta", notes)] == [
        ("Let me ", "Let me "),
        ("see.", "Let me see."),
        ("All ", "All "),
        ("done.", "All done."),
    ]
    assert [
        snapshot["content"][0]["text"]["value"] for _, snapshot in of("on_message_delta", notes)
    ] == ["Let me ", "Let me see.", "All ", "All done."]
    assert all(so_far["annotations"] == [] for _, so_far in of("on_text_delta", notes))
    created = [one["function"] for [one] in of("on_tool_call_created", notes)]
    assert [(one["name"], one["output"]) for one in created] == [
        ("one", None),
        ("two", None),
        ("three", None),
    ]
    done = [one for [one] in of("on_tool_call_done", notes)]
    assert [(one["id"], one["function"]["output"]) for one in done] == [
        ("call_0", "first"),
        ("call_1", "second"),
        ("call_2", "third"),
    ]
    snapshots = [snapshot for _, snapshot in of("on_run_step_delta", notes)]
    outputs = [
        [one["function"]["output"] for one in snapshot["step_details"]["tool_calls"]]
        for snapshot in snapshots
    ]
    assert outputs == [
        [None, None],
        [None, "second"],
        ["first", "second"],
        [None],
        ["third"],
    ]
    assert {one["id"] for one in snapshots[2]["step_details"]["tool_calls"]} == {
        "call_0",
        "call_1",
    }


@pytest.mark.parametrize("handler_class", [Theirs, TheirsAsync], ids=["theirs", "theirs-async"])
def test_the_packages_handlers_are_told_only_what_the_assistants_api_has(
    handler_class: Any,
) -> None:
    def tell(story: RunPlayback) -> None:
        story.notice("threadmill.run.waiting", ahead=2)
        story.say("Hello!")
        story.end()

    events = [event["event"] for [event] in of("on_event", told(handler_class, tell))]
    assert events[0] == "thread.run.step.created"
    assert events[-1] == "thread.run.completed"


def test_our_own_handlers_are_told_every_event() -> None:
    def tell(story: RunPlayback) -> None:
        story.notice("threadmill.run.waiting", ahead=2)
        story.end()

    events = [event["event"] for [event] in of("on_event", told(Ours, tell))]
    assert events == ["threadmill.run.waiting", "thread.run.completed", "done"]


@each
def test_a_message_that_was_abandoned_is_done_before_the_next_one_begins(
    handler_class: Any,
) -> None:
    def tell(story: RunPlayback) -> None:
        story.begin_message("Half an ans").break_off("run_failed", "cancelled")
        story.notice("threadmill.run.takeover", worker="host:1", attempt=2)
        story.begin_message().break_off("run_failed", "cancelled")
        story.say("A whole one.")
        story.end()

    notes = told(handler_class, tell)
    done = [one for [one] in of("on_message_done", notes)]
    assert [one["status"] for one in done] == ["incomplete", "incomplete", "completed"]
    assert [one["value"] for [one] in of("on_text_done", notes)] == ["Half an ans", "A whole one."]
    assert len(of("on_text_created", notes)) == 2
    assert [one["status"] for [one] in of("on_run_step_done", notes)] == [
        "cancelled",
        "cancelled",
        "completed",
    ]


@each
@pytest.mark.parametrize("status", ["cancelled", "failed", "expired"])
def test_a_run_that_ends_in_the_middle_closes_what_was_open(
    handler_class: Any, status: str
) -> None:
    def tell(story: RunPlayback) -> None:
        made = story.begin_calls(call("one"), call("two"))
        made.output(0, "first")
        made.end(status)
        story.end(status)

    notes = told(handler_class, tell)
    outputs = [one["function"]["output"] for [one] in of("on_tool_call_done", notes)]
    assert outputs == ["first", None]
    assert [one["status"] for [one] in of("on_run_step_done", notes)] == [status]
    assert names(notes)[-1] == "on_end"


@each
def test_a_call_that_waits_while_its_run_is_parked_is_done_once_when_it_has_its_output(
    handler_class: Any,
) -> None:
    def tell(story: RunPlayback) -> None:
        made = story.begin_calls(call("pay"))
        story.tell("r", "requires_action", {})
        story.tell("r", "queued", {})
        story.tell("r", "in_progress", {})
        made.output(0, "paid")
        made.end()
        story.end()

    notes = told(handler_class, tell)
    assert [one["function"]["output"] for [one] in of("on_tool_call_done", notes)] == ["paid"]
    statuses = [event["event"] for [event] in of("on_event", notes)]
    assert [one for one in statuses if one.startswith("thread.run.") and "step" not in one] == [
        "thread.run.requires_action",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.completed",
    ]


def test_an_image_is_told_of_once_whether_it_came_in_a_delta_or_with_the_message() -> None:
    def image(id: str) -> dict[str, Any]:
        return {"type": "image_file", "image_file": {"file_id": id}}

    text = {"type": "text", "text": {"value": "See:", "annotations": []}}
    message = {"id": "msg_1", "object": "thread.message", "content": []}
    parts = [{**image("file_1"), "index": 0}, {**text, "index": 1}]
    events = [
        ("thread.message.created", message),
        *(("thread.message.delta", {"delta": {"content": [part]}}) for part in parts),
        (
            "thread.message.completed",
            {**message, "content": [image("file_1"), text, image("file_2")]},
        ),
    ]
    dispatcher = Dispatcher(ApiObjectFactory(), lambda _: True)
    notes = [
        (name, arguments)
        for number, (name, data) in enumerate(events)
        for name, arguments in dispatcher.calls(Event(number, name, data))
    ]
    assert names(notes, "on_event", "on_text_delta", "on_message_delta") == [
        *("on_message_created", "on_image_file_done", "on_text_created", "on_text_done"),
        *("on_image_file_done", "on_message_done"),
    ]
    assert [one.file_id for [one] in of("on_image_file_done", notes)] == ["file_1", "file_2"]


# ---- what a handler may ask --------------------------------------------------------------------


@pytest.mark.parametrize("base", [EventHandler, openai.AssistantEventHandler])
def test_a_handler_may_ask_how_far_the_run_has_come(base: Any) -> None:
    answers: dict[str, Any] = {}

    class Asking(base):
        def on_event(self, event: Any) -> None:
            assert self.current_event is event

        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            answers["event"] = self.current_event.event
            answers["run"] = self.current_run.status
            answers["step"] = self.current_run_step_snapshot.type
            answers["text"] = self.current_message_snapshot.content[0].text.value

        def on_end(self) -> None:
            answers["end"] = (self.current_run.status, self.current_run_step_snapshot)
            answers["last"] = self.current_message_snapshot.status

    teller = Teller(Asking)
    assert teller.handler.current_run is teller.handler.current_message_snapshot is None
    story = RunPlayback(teller, says=None)
    story.tell("r", "in_progress", {})
    story.say("One ", "two.")
    story.end()
    assert answers == {
        "event": "thread.message.delta",
        "run": "in_progress",
        "step": "message_creation",
        "text": "One two.",
        "end": ("completed", None),
        "last": "completed",
    }
    assert teller.handler.current_event is None


def test_a_package_handler_gives_the_final_objects_once_the_run_has_ended() -> None:
    class Asking(openai.AssistantEventHandler):
        def on_message_done(self, message: Any) -> None:
            with pytest.raises(RuntimeError, match="has not ended"):
                self.get_final_run()

        def on_end(self) -> None:
            assert self.get_final_run().status == "completed"

    teller = Teller(Asking)
    whole_run(RunPlayback(teller, says=None))
    assert teller.session.failure is None
    handler = teller.handler
    assert isinstance(handler, Asking)
    handler.until_done()
    handler.close()
    assert handler.get_final_run().id == RUN_ID
    assert len(handler.get_final_run_steps()) == 4
    assert [one.content[0].text.value for one in handler.get_final_messages()] == [
        "Let me see.",
        "All done.",
    ]


def test_an_async_package_handler_gives_the_final_objects_too() -> None:
    teller = Teller(openai.AsyncAssistantEventHandler)
    whole_run(RunPlayback(teller, says=None))
    handler = teller.handler

    async def ask() -> tuple[Any, Any, Any]:
        await handler.until_done()
        await handler.close()
        run, messages = await handler.get_final_run(), await handler.get_final_messages()
        return run, messages, await handler.get_final_run_steps()

    run, messages, steps = asyncio.run(ask())
    assert (run.status, len(messages), len(steps)) == ("completed", 2, 4)


def test_after_a_failover_all_is_told_anew() -> None:
    notes: list[Note] = []
    teller = Teller(Theirs, notes=notes)
    story = RunPlayback(teller, says=None)
    story.begin_message("Half an ans")
    drive_briefly(teller.session.restart(errors.LogRewound("it has gone back")))
    assert teller.handler.current_message_snapshot is None
    story.begin_message("Half an ")
    assert [snapshot["value"] for _, snapshot in of("on_text_delta", notes)] == [
        "Half an ans",
        "Half an ",
    ]


# ---- a hook that raises ------------------------------------------------------------------------


@each
def test_a_hook_that_raises_ends_the_telling_and_is_told_of_it(handler_class: Any) -> None:
    class Raising(handler_class):
        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            raise ZeroDivisionError("on purpose")

    notes: list[Note] = []
    teller = Teller(Raising, notes=notes)
    whole_run(RunPlayback(teller, says=None))
    assert isinstance(teller.session.failure, ZeroDivisionError)
    assert names(notes)[-2:] == ["on_exception", "on_end"]
    assert of("on_exception", notes) == [[repr(teller.session.failure)]]
    assert names(notes).count("on_end") == 1
    assert "on_message_delta" not in names(notes)


def test_the_first_error_is_the_one_that_is_kept() -> None:
    class Raising(EventHandler):
        def on_event(self, event: Event) -> None:
            raise ZeroDivisionError

        def on_exception(self, exception: Exception) -> None:
            raise LookupError

        def on_end(self) -> None:
            raise KeyError

    teller = Teller(Raising)
    whole_run(RunPlayback(teller, says=None))
    assert isinstance(teller.session.failure, ZeroDivisionError)


def test_an_error_of_the_last_hook_is_kept_too() -> None:
    class Raising(EventHandler):
        def on_end(self) -> None:
            raise KeyError

    teller = Teller(Raising)
    whole_run(RunPlayback(teller, says=None))
    assert isinstance(teller.session.failure, KeyError)


def test_a_long_text_costs_little_where_no_snapshot_is_wanted() -> None:
    """A handler that does not ask for snapshots pays for none."""
    part = {"index": 0, "type": "text", "text": {"value": "twenty characters..."}}
    message = {"id": "msg_1", "object": "thread.message", "content": []}
    dispatcher = Dispatcher(ApiObjectFactory(), lambda _: False)
    list(dispatcher.calls(Event(1, "thread.message.created", message)))
    delta = Event(2, "thread.message.delta", {"delta": {"content": [part]}})
    began = time.monotonic()
    for _ in range(20_000):
        for _call in dispatcher.calls(delta):
            pass
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("on_text_detla", "on_text_delta"),
        ("on_message_deltas", "on_message_delta"),
        ("on_step_done", "on_run_step_done"),
    ],
)
def test_a_method_that_is_almost_a_hook_is_warned_of(name: str, meant: str) -> None:
    with pytest.warns(
        UserWarning, match=f"Mine.{name} is not a hook and is never called; did you mean {meant}"
    ):
        type("Mine", (EventHandler,), {name: lambda self: None})


def test_other_methods_of_a_handler_are_its_own_affair() -> None:
    type("Mine", (EventHandler,), {"on_a_sunny_day": lambda self: None, "_on_text_delta": None})
