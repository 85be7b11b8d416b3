"""What a provider sends or a model writes, however odd, ends no thread and is no internal error.

A worker asks a provider that answers each user's text with a stream of its own. Afterwards all that
was stored is read in every way there is, and the thread goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncAssistantEventHandler
from tests.support.environment import isolated_environment
from tests.support.hostile_streams import CODE, DEEP_OBJECT, DEEP_TEXT, SEARCH, encoded, nested
from tests.support.paths import SCRIBE
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill import Assistant, PrintHandler, Run, Thread, errors
from threadmill.client.current import close_client
from threadmill.testing import Fault, StandIn, by_text
from threadmill.transfer import export_file, import_file

FINE = "All is well."
OURS = {"ModelGarbled", "ModelRefused", "ModelUnavailable"}

Events = list[dict[str, Any]]


# ---- what is sent --------------------------------------------------------------------------------


def responses_call(arguments: Any, **more: Any) -> Events:
    call = {"type": "function_call", "call_id": "c1", "name": "length", "arguments": arguments}
    return responses_items(call | more)


def responses_items(*items: Any, usage: Any = None) -> Events:
    done = [{"type": "response.output_item.done", "output_index": 0, "item": one} for one in items]
    return [*done, {"type": "response.completed", "response": {"id": "r1", "usage": usage}}]


def responses_message(*annotations: Any, usage: Any = None) -> Events:
    part = {"type": "output_text", "text": "Read this.", "annotations": list(annotations)}
    return responses_items({"type": "message", "content": [part]}, usage=usage)


def responses_code(**more: Any) -> Events:
    return responses_items({"type": "code_interpreter_call", "id": "ci_1"} | more)


def responses_search(**more: Any) -> Events:
    return responses_items({"type": "file_search_call", "id": "fs_1"} | more)


def chat_call(arguments: Any, **more: Any) -> Events:
    function = {"name": "length", "arguments": arguments} | more
    piece = {"index": 0, "id": "c1", "type": "function", "function": function}
    return [chunk({"tool_calls": [piece]}), chunk({}, "tool_calls")]


def chat_message(usage: Any) -> Events:
    return [chunk({"content": "Read this."}), chunk({}, "stop"), {"choices": [], "usage": usage}]


def chunk(delta: Any, reason: Any = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


CITED = {"file_id": "file-1", "filename": "a.txt"}
DEEP = nested(150)
NUMBERS: list[Any] = [None, "9", -9, 9.5, 10**30, True, [9], {"n": 9}, float("nan"), float("inf")]
USAGES: list[Any] = [*NUMBERS, {}, [{"prompt_tokens": 9}]]
ARGUMENTS: dict[str, Any] = {
    "brackets": DEEP_TEXT,
    "deep and valid": DEEP_OBJECT,
    "deep in an argument": '{"text": ' + "[" * 190 + "]" * 190 + "}",
    "an object": {"text": "four"},
    "a deep object": {"text": DEEP},
    "a list": ["four"],
    "a number": 4,
    "nothing": None,
    "cut": '{"text": "fo',
    "half an emoji": r'{"text": "\ud83d"}',
    "no number": '{"text": NaN}',
    "a long number": '{"text": ' + "9" * 5000 + "}",
    "control characters": '{"text": "\x00\x1b[2J"}',
}
NAMES: dict[str, Any] = {
    "dotted": "functions.length",
    "empty": "",
    "none": None,
    "a number": 5,
    "an object": {"name": "length"},
    "long": "length" * 10_000,
    "control characters": "\x00\x1b[2J\n",
}
CITATIONS: dict[str, Any] = {
    "without a place": {"type": "file_citation", **CITED},
    "with null for a place": {"type": "file_citation", "index": None, **CITED},
    "with a text for a place": {"type": "file_citation", "index": "4", **CITED},
    "of no file": {"type": "file_citation", "index": 4},
    "of a number": {"type": "file_citation", "index": 4, "file_id": 4, "filename": 4},
    "of a file of code without a place": {
        "type": "container_file_citation",
        "container_id": "c",
        **CITED,
    },
    "of a file of code that leads elsewhere": {
        "type": "container_file_citation",
        "container_id": "..",
        "file_id": "../x",
    },
    "of no file of code": {"type": "container_file_citation", "start_index": 0, "end_index": 1},
    "of a page without a place": {"type": "url_citation", "url": "http://a", "title": None},
    "of an unknown kind": {"type": "vision", "start_index": None, "what": DEEP},
    "of no kind": {"index": 4},
    "that is none": "see above",
    "with no number": {"type": "url_citation", "start_index": float("nan"), "x": float("inf")},
}

ANSWERS: dict[str, dict[str, Events]] = {
    "responses": {
        **{f"arguments: {n}": responses_call(value) for n, value in ARGUMENTS.items()},
        **{f"name: {n}": responses_call("{}", name=value) for n, value in NAMES.items()},
        **{f"call id {n!r}": responses_call("{}", call_id=n) for n in (None, 5, "", "\x00", "é")},
        **{f"a citation {n}": responses_message(value) for n, value in CITATIONS.items()},
        **{
            f"input_tokens: {number}": responses_message(usage={"input_tokens": number})
            for number in NUMBERS
        },
        **{f"usage: {usage}": responses_message(usage=usage) for usage in USAGES},
        "code that is none": responses_code(code={"x": DEEP}, outputs={}),
        "outputs that are none": responses_code(
            outputs=[None, {"type": "logs"}, {"type": "image"}]
        ),
        "an image that is none": responses_code(outputs=[{"type": "image", "url": 5}]),
        "results that are none": responses_search(results=[5, {"score": "high", "text": DEEP}]),
        "queries that are none": responses_search(queries={"a": float("nan")}, results=None),
        "deep reasoning": responses_items({"type": "reasoning", "id": 2**70, "content": [DEEP]}),
        "an item that is none": responses_items(None),
        "code in no call": [
            {"type": "response.code_interpreter_call_code.delta", "delta": {}},
            *responses_message(),
        ],
        "an end of nothing": [{"type": "response.completed", "response": None}],
        "an error of lists": [{"type": "response.failed", "response": {"error": [DEEP]}}],
        "half an emoji": [{"type": "response.output_text.delta", "delta": "\ud83d"}],
    },
    "chat": {
        **{f"arguments: {n}": chat_call(value) for n, value in ARGUMENTS.items()},
        **{f"name: {n}": chat_call("{}", name=value) for n, value in NAMES.items()},
        **{
            f"prompt_tokens: {number}": chat_message({"prompt_tokens": number})
            for number in NUMBERS
        },
        **{f"usage: {usage}": chat_message(usage) for usage in USAGES},
        "no choices": [chunk({"content": "Read this."}), {"choices": None}, chunk({}, "stop")],
        "choices that are none": [{"choices": {"0": {}}}],
        "a delta that is none": [chunk("Read this."), chunk({}, "stop")],
        "calls that are none": [chunk({"tool_calls": {"index": 0}}), chunk({}, "tool_calls")],
        "an index that is none": [
            chunk({"tool_calls": [{"index": "x", "function": None}]}),
            chunk({}, "tool_calls"),
        ],
        "a reason that is none": [chunk({"content": "Read this."}, ["stop"])],
        "a number in place of text": [chunk({"content": 5}), chunk({}, "stop")],
        "an error that is a list": [{"error": [DEEP]}],
        "an error that is a number": [{"error": 5}],
        "half an emoji": [chunk({"content": "\ud83d"}), chunk({}, "stop")],
    },
}
MUST_COMPLETE = ("arguments", "name", "call id", "a citation", "usage", "input_", "prompt_")
"""How the names of cases begin in which the answer is usable, or the model can be told."""


# ---- the stage -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["responses", "chat"])
def api(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def scribe(
    api: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Assistant]:
    """An assistant whose provider answers `<name>` with that case's stream, and then says FINE."""
    brain = by_text({f"<{name}>": _in_turn(events) for name, events in ANSWERS[api].items()})
    url = redis_server.fresh_database()
    with (
        StandIn(brain) as standin,
        isolated_environment(url, standin, api, THREADMILL_MODEL_RETRIES="0"),
        Workers(tmp_path_factory.mktemp(api)) as workers,
    ):
        workers.start(SCRIBE)
        yield Assistant.load("scribe")


def _in_turn(events: Events) -> list[Any]:
    data = encoded(events, done=True)
    return [Fault.garbage(0, data=data), FINE]


class Watching(AsyncAssistantEventHandler):
    """The openai package's own, which puts every snapshot together."""


@dataclass(frozen=True)
class Played:
    """A case that is over, and a second run on its thread."""

    thread: Thread
    run: Run
    second: Run


@pytest.fixture(scope="module")
def played(api: str, scribe: Assistant) -> dict[str, Played]:
    """All cases, played side by side."""
    with ThreadPoolExecutor(8) as executor:
        ends = executor.map(partial(play, scribe), ANSWERS[api])
        return dict(zip(ANSWERS[api], ends, strict=True))


def play(scribe: Assistant, name: str) -> Played:
    thread = Thread()
    return Played(thread, said(scribe, f"<{name}>", thread), said(scribe, "And now?", thread))


def said(scribe: Assistant, text: str, thread: Thread) -> Run:
    try:
        return scribe.say(text, thread=thread, event_handler_class=Watching, timeout=30)
    except errors.RunFailed as failed:
        run: Run = failed.run
        return run


# ---- what must be true ---------------------------------------------------------------------------


def test_an_odd_answer_is_survived_or_named(played: dict[str, Played]) -> None:
    ends = {name: (one.run.status, one.run.last_error) for name, one in played.items()}
    failed = {n: (status, e) for n, (status, e) in ends.items() if status != "completed"}
    assert {n: e for n, (_, e) in failed.items() if e is None or e.name not in OURS} == {}
    assert [name for name in failed if name.startswith(MUST_COMPLETE)] == []


def test_the_thread_goes_on(played: dict[str, Played]) -> None:
    seconds = {name: (one.second.status, one.second.last_error) for name, one in played.items()}
    assert {n: end for n, end in seconds.items() if end != ("completed", None)} == {}


def test_what_is_stored_can_be_read_and_printed(
    played: dict[str, Played], capsys: pytest.CaptureFixture[str]
) -> None:
    for one in played.values():
        for run in (one.run, one.second):
            check_readable(Run.load(run.id))
        for message in one.thread.get_messages():
            strict_json(message.model_dump(mode="json"))
    assert "\x1b[2J" not in capsys.readouterr().out


def check_readable(run: Run) -> None:
    printer = PrintHandler()
    printer.on_begin(run)
    for event in run.events():
        strict_json(event.data)
        printer.on_event(event)
    printer.on_end()
    for told in (*run.steps, *([run.usage] if run.usage else [])):
        strict_json(told.model_dump(mode="json"))


def test_what_is_exported_can_be_imported(
    played: dict[str, Played], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "threads.jsonl"
    exported = export_file(file, [one.thread for one in played.values()])
    for line in file.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    monkeypatch.setenv("THREADMILL_NAMESPACE", "another")
    close_client()
    assert import_file(file).messages == exported.messages
    monkeypatch.undo()
    close_client()


def strict_json(value: Any) -> None:
    """Write it as every reader of JSON takes it."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


# ---- what was stored before ----------------------------------------------------------------------

FORMER = [
    {"type": "tool_call", "name": "length", "arguments": DEEP_TEXT},
    {"type": "tool_call", "name": "length", "arguments": {"text": DEEP}},
    {"type": "tool_call", "name": None, "arguments": None, "provider_id": 5},
    {"type": "tool_call", "name": "web.find", "arguments": "[]", "provider_id": {"a": 1}},
    {"type": "reasoning", "model": "gpt-4.1-mini", "data": {"type": "reasoning", "id": 5}},
    {"type": "hosted_call", "kind": "code_interpreter", "data": CODE | {"id": None}},
    {"type": "hosted_call", "kind": "file_search", "data": SEARCH | {"results": [DEEP]}},
    {"type": "hosted_call", "kind": "file_search", "data": [DEEP]},
]
"""Items as earlier releases have stored them."""


def test_a_thread_goes_on_in_which_earlier_releases_have_stored_anything(
    scribe: Assistant, tmp_path: Path
) -> None:
    file = tmp_path / "former.jsonl"
    lines = [line for number, item in enumerate(FORMER) for line in former_lines(number, item)]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    import_file(file)
    for number in range(len(FORMER)):
        thread = Thread(f"thread_{number:032x}")
        run = said(scribe, "And now?", thread)
        assert (number, run.status, run.last_error) == (number, "completed", None)


def former_lines(number: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of an export of a thread in which this item stands."""
    thread_id = f"thread_{number:032x}"
    head = {"thread_id": thread_id, "created_at": 1}
    part = {"type": "text", "text": {"value": "Hello", "annotations": []}}
    message = {"id": f"msg_former_{number}", "role": "user", "content": [part]}
    yield {"object": "thread", "id": thread_id, "created_at": 1}
    yield {"object": "thread.message", **message, **head, "threadmill": {"at": 1, "position": 1}}
    call = {"id": f"call_{number}", "provider_id": f"c{number}", "run_id": "run_former"}
    items = [call | item]
    if item["type"] == "tool_call":
        output = {"call_id": call["id"], "output": "4", "failed": False, "run_id": "run_former"}
        items.append({"type": "tool_output", "provider_id": items[0]["provider_id"], **output})
    for position, one in enumerate(items, 2):
        place = {"at": position, "position": position}
        yield {"object": "threadmill.item", **head, "item": one, "threadmill": place}
