"""The provider's code interpreter and file search: what they do is told, kept and fetched."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Message as OpenAIMessage
from openai.types.beta.threads.runs import RunStep
from pydantic import TypeAdapter
from tests.acceptance.conftest import Lasting
from tests.support.environment import isolated_environment
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import (
    Assistant,
    CodeInterpreter,
    Event,
    EventHandler,
    FileSearch,
    PrintHandler,
    Run,
    Thread,
    errors,
)
from threadmill.testing import (
    Call,
    Code,
    Fault,
    Found,
    Pause,
    Reply,
    Request,
    Search,
    StandIn,
    Text,
    WebQuery,
    WebSource,
    scripted,
)
from threadmill.testing.standin.hosting import VectorStore
from threadmill.testing.standin.plot import sine_plot
from threadmill.testing.standin.replies import FinishReason
from threadmill.transfer import export_file, import_file

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

PLOT = sine_plot()
DRAW = Code("plot(x, sin(x))\nprint('drawn')\n", "drawn\n", {"plot.png": PLOT})
SHOW = Text("Here it is: sandbox:/mnt/data/plot.png", ["plot.png"])


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("hosted")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    standin = lasting.fresh_standin()
    standin.hosting.vector_stores["vs_books"] = VectorStore("vs_books", "books")
    return standin


def say(text: str = "Generate a plot of sin(x)", name: str = "plotter", **options: Any) -> Run:
    options = {"thread": Thread(), "event_handler_class": None, "timeout": 30} | options
    return Assistant.load(name).say(text, **options)


def names(events: list[Event]) -> list[str]:
    """Their names without `thread.`, those that repeat once."""
    told = (event.event.removeprefix("thread.") for event in events)
    kept: list[str] = []
    for name in told:
        if not kept or kept[-1] != name:
            kept.append(name)
    return kept


def statuses(run: Run) -> list[str]:
    """Of its steps, as they are now."""
    return [step.status for step in run.refresh().steps]


def assert_of_openais_types(events: Iterable[Event]) -> None:
    for event in events:
        if event.event.startswith("thread."):
            told = {"event": event.event, "data": event.data}
            TypeAdapter(AssistantStreamEvent).validate_python(told)


# ---- the code interpreter ----------------------------------------------------------------------


def test_code_is_executed_and_its_image_can_be_fetched_by_any_producer(
    standin: StandIn, tmp_path: Path
) -> None:
    standin.brain = scripted(Reply([DRAW, SHOW]))
    run = say()

    code_step, message_step = run.steps
    assert (code_step.status, message_step.status) == ("completed", "completed")
    [call] = code_step.tool_calls
    assert (call.type, call.arguments, call.output) == (
        *("code_interpreter", DRAW.code),
        "drawn\n",
    )
    message = run.messages[-1]
    [image] = [part.image_file for part in message.content if part.type == "image_file"]
    [attachment] = message.attachments
    assert (attachment["filename"], attachment["file_id"]) == ("plot.png", image.file_id)
    [path] = Run.load(run.id).download(tmp_path)
    assert (path.name, path.read_bytes()) == ("plot.png", PLOT)


def test_functions_and_the_code_interpreter_work_together_in_one_turn(
    standin: StandIn,
) -> None:
    visit = Call("visit_url", {"url": "https://example.org"})
    standin.brain = scripted(Reply([Text("I look."), DRAW, visit]), Reply([SHOW]))
    run = say("Plot what stands there")

    assert run.status == "completed"
    said = [(step.type, [call.name for call in step.tool_calls]) for step in run.steps]
    assert said == [
        ("message_creation", []),
        ("tool_calls", ["code_interpreter"]),
        ("tool_calls", ["visit_url"]),
        ("message_creation", []),
    ]
    assert run.steps[2].tool_calls[0].output == "content of https://example.org"
    sent = [item["type"] for item in standin.requests[-1].items]
    assert sent == [
        *("message", "message", "code_interpreter_call"),
        *("function_call", "function_call_output"),
    ]


def test_the_log_tells_the_code_as_it_is_written_in_openais_shapes(standin: StandIn) -> None:
    standin.brain = scripted(Reply([DRAW, SHOW]))
    events = list(say().events())

    assert names(events)[3:] == [
        *("run.step.created", "run.step.in_progress", "run.step.delta", "run.step.completed"),
        *("run.step.created", "run.step.in_progress"),
        *("message.created", "message.in_progress", "message.delta", "message.completed"),
        *("run.step.completed", "run.completed", "done"),
    ]
    assert_of_openais_types(events)
    deltas = [
        e.data["delta"]["step_details"]["tool_calls"][0]
        for e in events
        if e.event == "thread.run.step.delta"
    ]
    pieces = [one["code_interpreter"].get("input", "") for one in deltas]
    assert "".join(pieces) == DRAW.code
    assert len(pieces) > 5
    step = next(e.data for e in events if e.event == "thread.run.step.completed")
    [call] = RunStep.model_validate(step).step_details.tool_calls  # type: ignore[union-attr]
    assert [output.type for output in call.code_interpreter.outputs] == ["logs", "image"]  # type: ignore[union-attr]
    message = next(e.data for e in events if e.event == "thread.message.completed")
    text, image = OpenAIMessage.model_validate(message).content
    [path] = text.text.annotations  # type: ignore[union-attr]
    assert path.file_path.file_id == image.image_file.file_id  # type: ignore[union-attr]
    assert path.text == "plot.png"


def test_a_turn_that_only_executes_code_ends_its_run(standin: StandIn) -> None:
    standin.brain = scripted(Reply([DRAW]))
    run = say()
    assert (run.status, run.text, len(run.steps)) == ("completed", "", 1)


def test_the_next_turn_is_sent_the_code_and_what_it_printed_but_no_image(standin: StandIn) -> None:
    thread = Thread()
    standin.brain = scripted(Reply([DRAW, SHOW]), Reply([DRAW, Text("Again.")]))
    known = len(standin.hosting.containers)
    say(thread=thread)
    assert say("Once more", thread=thread).status == "completed"

    [call] = [i for i in standin.requests[-1].items if i["type"] == "code_interpreter_call"]
    assert call["code"] == DRAW.code
    assert call["outputs"] == [{"type": "logs", "logs": "drawn\n"}]
    assert len(standin.hosting.containers) == known + 1


def test_code_that_was_executed_is_not_executed_again_when_the_stream_breaks_off(
    standin: StandIn,
) -> None:
    begun = Reply([DRAW, Text("Here it is, and more.")])
    standin.brain = scripted(Fault.end(len(DRAW.tokens) + 2, reply=begun), Reply([SHOW]))
    run = say()

    assert run.status == "completed"
    assert [step.status for step in run.steps] == ["completed", "cancelled", "completed"]
    assert standin.requests[-1].items[-1]["type"] == "code_interpreter_call"
    assert [part.type for part in run.messages[-1].content] == ["text", "image_file"]


def test_code_whose_stream_breaks_off_is_a_cancelled_step(standin: StandIn) -> None:
    standin.brain = scripted(Fault.end(3, reply=Reply([DRAW])), Reply([DRAW, SHOW]))
    run = say()
    assert [step.status for step in run.steps] == ["cancelled", "completed", "completed"]
    assert standin.requests[-1].items[-1]["type"] == "message"


def test_code_that_fails_is_a_failed_step_of_a_run_that_goes_on(standin: StandIn) -> None:
    broken = Code("1 / 0", "ZeroDivisionError\n", status="failed")
    standin.brain = scripted(Reply([broken, Text("That cannot be.")]))
    run = say()
    assert (run.status, run.steps[0].status) == ("completed", "failed")
    assert run.steps[0].tool_calls[0].failed


def test_a_run_that_is_cancelled_closes_the_step_of_its_code(standin: StandIn) -> None:
    slow = Reply([Code("x = 1\n" * 200)], delay=0.02)
    standin.brain = scripted(slow)
    run = Assistant.load("plotter").enqueue("Compute")
    for event in run.events():
        if event.event == "thread.run.step.delta":
            run.cancel()
            break
    assert run.wait(10).status == "cancelled"
    assert run.steps[0].status == "cancelled"


def test_code_that_was_executed_is_not_executed_again_when_its_worker_dies(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    spoken = len(DRAW.tokens) + 5
    pause = Pause(after_tokens=spoken)

    def brain(request: Request) -> Reply:
        if len(standin.requests) == 1:
            return Reply([DRAW, Text("word " * 200)], pause=pause)
        return Reply([Text("Here it is.")])

    with (
        StandIn(brain) as standin,
        isolated_environment(redis_server.fresh_database(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        both = workers.start("hosted", 2)
        run = Assistant.load("plotter").enqueue("Plot")
        standin.wait_until(lambda asked: bool(asked) and len(asked[0].token_times) == spoken, 20)
        wait_until(lambda: statuses(run)[:1] == ["completed"], "the code is stored")
        next(worker for worker in both if worker.name == run.worker).kill()
        pause.end()

        assert run.wait(30).status == "completed"
        assert run.attempt == 2
        assert [step.status for step in run.steps] == ["completed", "cancelled", "completed"]
        assert [item["type"] for item in standin.requests[-1].items] == [
            *("message", "code_interpreter_call"),
        ]
        [path] = run.download(tmp_path / "made")
        assert path.read_bytes() == PLOT
        assert [part.type for part in run.messages[-1].content] == ["text", "image_file"]


@pytest.mark.parametrize("stage", ["code", "text"])
def test_what_was_said_before_a_hosted_call_is_kept_when_its_worker_dies(
    redis_server: RedisServer, tmp_path: Path, stage: str
) -> None:
    visit = Call("visit_url", {"url": "https://example.org"})
    said, code = Text("I look."), Code("x = 1\n" * 50)
    first = [said, visit, code] if stage == "code" else [said, visit, DRAW, Text("word " * 200)]
    before = said.tokens + visit.tokens + (() if stage == "code" else DRAW.tokens)
    spoken = len(before) + 5
    pause = Pause(after_tokens=spoken)

    def brain(request: Request) -> Reply:
        if len(standin.requests) == 1:
            return Reply(first, pause=pause)
        return Reply([Text("Here it is.")])

    with (
        StandIn(brain) as standin,
        isolated_environment(redis_server.fresh_database(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        both = workers.start("hosted", 2)
        run = Assistant.load("plotter").enqueue("Plot")
        standin.wait_until(lambda asked: bool(asked) and len(asked[0].token_times) == spoken, 20)
        steps = 2 if stage == "code" else 3
        wait_until(lambda: len(run.refresh().steps) == steps, "the last step is there")
        next(worker for worker in both if worker.name == run.worker).kill()
        pause.end()

        assert run.wait(30).status == "completed"
        kept = ["completed"] if stage == "code" else ["completed", "completed"]
        assert [step.status for step in run.steps] == [*kept, "cancelled", "completed"]
        told = Counter(event.event.removeprefix("thread.") for event in run.events())
        assert told["message.completed"] == 2
        assert told["message.incomplete"] == (stage == "text")
        assert [one.text for one in run.messages[1:]] == ["I look.", "Here it is."]
        sent = [item["type"] for item in standin.requests[-1].items]
        assert sent == ["message", "message", *(["code_interpreter_call"] * (stage == "text"))]


def test_a_handler_of_the_openai_package_is_told_of_code_and_images_once(
    standin: StandIn,
) -> None:
    told: list[str] = []

    class Handler(openai.AsyncAssistantEventHandler):
        async def on_tool_call_created(self, tool_call: Any) -> None:
            told.append(f"created {tool_call.type}")

        async def on_tool_call_done(self, tool_call: Any) -> None:
            told.append(f"done {tool_call.code_interpreter.input}")
            told.extend(output.type for output in tool_call.code_interpreter.outputs)

        async def on_image_file_done(self, image_file: Any) -> None:
            told.append(f"image {image_file.file_id}")

        async def on_message_done(self, message: Any) -> None:
            told.append(f"message {len(message.content)}")

    standin.brain = scripted(Reply([DRAW, SHOW]))
    run = say(event_handler_class=Handler)
    [image] = [p.image_file.file_id for p in run.messages[-1].content if p.type == "image_file"]
    assert told == [
        *("created code_interpreter", f"done {DRAW.code}", "logs", "image"),
        *(f"image {image}", "message 2"),
    ]


def test_a_tail_tells_code_and_images(standin: StandIn) -> None:
    found = [Found("cats.txt", "Cats purr.")]
    standin.brain = scripted(Reply([DRAW, Search(["cats"], found), SHOW]))
    run = say(name="reader")
    [image] = [p.image_file.file_id for p in run.messages[-1].content if p.type == "image_file"]
    told = re.sub(r" +", " ", run_threadmill("tail", run.id).stdout)
    assert re.search(r"step\.delta plot\(x, sin\(x\)\)\n print\('drawn'\)\n", told), told
    assert f"step.delta -> drawn {image}" in told
    assert "step.delta -> cats.txt\n" in told
    assert f"message.delta {image}\n" in told
    assert told.endswith("done\n")


# ---- files -------------------------------------------------------------------------------------


def test_names_from_the_provider_do_no_harm_and_nothing_is_overwritten(
    standin: StandIn, tmp_path: Path
) -> None:
    files = {"../../etc/passwd": b"one", "a/passwd": b"two", ".\x1b[2Jhidden": b"3"}
    cited = Text(", ".join(files), list(files))
    standin.brain = scripted(Reply([Code("write()", "", files), cited]))
    run = say()
    folder = tmp_path / "made" / "here"
    mine = folder / "passwd"
    folder.mkdir(parents=True)
    mine.write_bytes(b"mine")

    paths = run.download(folder)
    assert sorted(path.name for path in paths) == ["_[2Jhidden", "passwd-1", "passwd-2"]
    assert {path.read_bytes() for path in paths} == set(files.values())
    assert mine.read_bytes() == b"mine"
    assert run.download(folder) == paths, "what is there already is not written again"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_a_file_that_is_too_large_is_told_and_not_kept(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    large = Code("write()", "", {"large.bin": b"x" * 2000, "small.txt": b"x"})
    with StandIn(
        scripted(Reply([large, Text("large.bin", ["large.bin", "small.txt"])]))
    ) as standin:
        url = redis_server.fresh_database()
        with (
            isolated_environment(url, standin, "responses", THREADMILL_FILE_BYTES="1000"),
            Workers(tmp_path) as workers,
        ):
            workers.start("hosted")
            run = say("Write")
            [path] = run.download(tmp_path / "made")
    missing, kept = run.messages[-1].attachments
    assert (missing["file_id"], missing["filename"]) == (None, "large.bin")
    assert "THREADMILL_FILE_BYTES" in missing["error"]
    assert (kept["filename"], path.name) == ("small.txt", "small.txt")


def test_a_file_that_the_provider_does_not_give_is_told(standin: StandIn) -> None:
    standin.hosting.lost.add("gone.csv")
    written = Code("write()", "", {"gone.csv": b"1"})
    standin.brain = scripted(Reply([written, Text("gone.csv", ["gone.csv"])]))
    run = say()
    assert run.status == "completed"
    [missing] = run.messages[-1].attachments
    assert "did not give it" in missing["error"]


# ---- file search -------------------------------------------------------------------------------


def test_a_search_is_a_step_that_tells_what_was_found(standin: StandIn) -> None:
    found = [Found("cats.txt", "Cats purr.", 0.9, "file-1")]
    standin.brain = scripted(Reply([Search(["cats"], found), Text("Purr.", ["cats.txt"])]))
    run = say("What do cats do?", "librarian")

    [call] = run.steps[0].tool_calls
    assert (call.type, call.arguments, call.output) == (
        "file_search",
        '["cats"]',
        "cats.txt (0.90)",
    )
    assert call.file_search is not None
    [result] = call.file_search["results"]
    assert result["content"] == [{"type": "text", "text": "Cats purr."}]
    [part] = run.messages[-1].content
    assert part.type == "text"
    [citation] = part.text.annotations
    assert citation["file_citation"] == {"file_id": "file-1", "filename": "cats.txt"}
    assert_of_openais_types(run.events())


def with_footnotes(text: Any) -> tuple[str, list[str]]:
    value, sources = text.value, []
    for number, annotation in enumerate(text.annotations):
        value = value.replace(annotation.text, f"[{number}]")
        sources.append(annotation.file_citation.file_id)
    return value, sources


CITING = Reply(
    [
        Search(["tea"], [Found("green.txt", "80", 0.9, "file-g"), Found("b.txt", "100", 0.8, "f")]),
        Text("See green.txt and b.txt.", ["green.txt", "b.txt"]),
    ]
)


def test_the_usual_loop_makes_footnotes_of_what_is_cited_everywhere(standin: StandIn) -> None:
    told: list[Any] = []

    class Footnotes(EventHandler):
        def on_message_done(self, message: Any) -> None:
            told.append(message.content[0].text)

    standin.brain = scripted(CITING, "Yes.")
    thread = Thread()
    run = say("Tea?", "librarian", thread=thread, event_handler_class=Footnotes)

    [part] = thread.get_messages()[-1].content
    assert part.type == "text"
    value, sources = with_footnotes(part.text)
    assert (value.count("[0]"), value.count("[1]"), sources) == (1, 1, ["file-g", "f"])
    assert value.replace("[0]", "").replace("[1]", "") == "See green.txt and b.txt."
    assert [with_footnotes(text) for text in told] == [(value, sources)]
    deltas = [e.data for e in run.events() if e.event == "thread.message.delta"]
    streamed = "".join(one["delta"]["content"][0]["text"]["value"] for one in deltas)
    assert streamed == part.text.value == run.text
    assert_of_openais_types(run.events())

    say("Really?", "librarian", thread=thread)
    sent = [i for i in standin.requests[-1].items if i.get("role") == "assistant"]
    assert [one["content"][0]["text"] for one in sent] == ["See green.txt and b.txt."]


def test_a_message_that_is_cut_keeps_its_citations_for_handlers_and_the_thread(
    standin: StandIn,
) -> None:
    told: list[Any] = []

    class Last(EventHandler):
        def on_message_done(self, message: Any) -> None:
            told.append(message.content[0].text)

    standin.brain = scripted(replace(CITING, stop=FinishReason.LENGTH))
    run = say("Tea?", "librarian", event_handler_class=Last)
    assert run.incomplete_reason == "max_completion_tokens"
    [part] = run.messages[-1].content
    assert part.type == "text"
    assert with_footnotes(part.text)[1] == ["file-g", "f"]
    assert with_footnotes(told[0]) == with_footnotes(part.text)
    assert told[0].value == part.text.value


def test_a_search_is_sent_back_with_its_results(standin: StandIn) -> None:
    found = [Found("cats.txt", "Cats purr.")]
    standin.brain = scripted(Reply([Search(["cats"], found), Text("Purr.")]), "Yes.")
    thread = Thread()
    say("What do cats do?", "librarian", thread=thread)
    say("Really?", "librarian", thread=thread)
    [search] = [i for i in standin.requests[-1].items if i["type"] == "file_search_call"]
    assert search["results"][0]["text"] == "Cats purr."


def test_the_tools_options_reach_the_provider(standin: StandIn) -> None:
    standin.hosting.files["file-2"] = standin.hosting.upload("a.csv", b"1", "user_data")
    tools = [
        CodeInterpreter(memory_limit="4g"),
        FileSearch(max_num_results=3, ranking_options={"score_threshold": 0.5}),
    ]
    resources = {
        "code_interpreter": {"file_ids": ["file-2"]},
        "file_search": {"vector_store_ids": ["vs_books"]},
    }
    Assistant(tools=tools, tool_resources=resources).say(
        "Hi", event_handler_class=None, tool_choice="code_interpreter"
    )
    body = standin.requests[-1].body
    assert body["tool_choice"] == {"type": "code_interpreter"}
    assert body["tools"] == [
        {
            "type": "code_interpreter",
            "container": {"type": "auto", "file_ids": ["file-2"], "memory_limit": "4g"},
        },
        {
            "type": "file_search",
            "vector_store_ids": ["vs_books"],
            "max_num_results": 3,
            "ranking_options": {"score_threshold": 0.5},
        },
    ]


def test_a_search_without_anything_to_search_is_left_out(standin: StandIn) -> None:
    assert Assistant(tools=[FileSearch]).say("Hi", event_handler_class=None).status == "completed"
    assert "tools" not in standin.requests[-1].body


# ---- a provider without hosted tools -----------------------------------------------------------


def test_without_hosted_tools_nothing_is_written(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADMILL_MODEL_API", "chat")
        from threadmill.client.current import close_client

        close_client()
        thread = Thread(key="chat")
        with pytest.raises(errors.Unsupported, match=re.escape("THREADMILL_MODEL_API=responses")):
            Assistant(tools=[CodeInterpreter]).say("Plot", thread=thread)
        assert thread.get_messages() == []
    close_client()


def test_a_worker_of_another_protocol_fails_the_run_and_says_so(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with (
        StandIn() as standin,
        isolated_environment(redis_server.fresh_database(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        workers.start("hosted", THREADMILL_MODEL_API="chat")
        with pytest.raises(errors.RunFailed, match="This worker's THREADMILL_MODEL_API is chat"):
            say()
        assert standin.requests == []


# ---- what a script shows -----------------------------------------------------------------------


def test_a_file_that_cannot_be_written_here_does_not_end_the_printing(
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / ".threadmill").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    standin.brain = scripted(Reply([DRAW, SHOW]))
    run = say(event_handler_class=PrintHandler)
    assert run.status == "completed"
    assert "(plot.png could not be downloaded (NotADirectoryError))" in capsys.readouterr().out


async def test_a_link_is_printed_for_an_awaiting_caller_too(
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    standin.brain = scripted(Reply([DRAW, SHOW]))
    run = await Assistant(tools=[CodeInterpreter]).say_async("Plot", thread=Thread())
    assert "(plot.png: file://" in capsys.readouterr().out
    [path] = await run.download_async(tmp_path)
    assert path.read_bytes() == PLOT


# ---- moving ------------------------------------------------------------------------------------


def test_what_the_providers_tools_did_is_exported_and_goes_on_where_it_is_imported(
    standin: StandIn, redis_server: RedisServer, tmp_path: Path
) -> None:
    thread = Thread()
    standin.brain = scripted(Reply([DRAW, SHOW]))
    say(thread=thread)
    export_file(tmp_path / "saved.jsonl", [thread])
    with (
        StandIn() as elsewhere,
        isolated_environment(redis_server.fresh_database(), elsewhere, "responses"),
        Workers(tmp_path) as workers,
    ):
        workers.start("hosted")
        import_file(tmp_path / "saved.jsonl")
        assert say("Go on", thread=Thread(id=thread.id)).status == "completed"
        sent = elsewhere.requests[-1].items
        # As text: the container is the other provider's.
        assert [item["role"] for item in sent] == ["user", "user", "assistant", "user"]
        assert DRAW.code in sent[1]["content"][0]["text"]
    steps = [
        line
        for line in map(json.loads, (tmp_path / "saved.jsonl").read_text().splitlines())
        if line["object"] == "thread.run.step"
    ]
    [call] = steps[0]["step_details"]["tool_calls"]
    assert call["code_interpreter"]["input"] == DRAW.code


# ---- the web search ------------------------------------------------------------------------------

TEA = WebSource("https://tea.example/green", "All about tea")
LOOKED_UP = Reply([WebQuery("green tea", [TEA]), Text("See All about tea.", ["All about tea"])])


def test_the_web_is_searched_and_its_pages_are_cited(standin: StandIn) -> None:
    standin.brain = scripted(LOOKED_UP, "Gladly.")
    thread = Thread()
    run = say("What is green tea?", name="surfer", thread=thread)

    [request] = standin.requests
    assert request.body["tools"] == [
        {
            "type": "web_search",
            "search_context_size": "low",
            "user_location": {"type": "approximate", "city": "Bath"},
        }
    ]
    assert "web_search_call.action.sources" in request.body["include"]
    [call] = run.steps[0].tool_calls
    assert (call.type, call.arguments, call.output) == ("web_search", '["green tea"]', TEA.url)
    assert call.web_search == {
        "action": "search",
        "queries": ["green tea"],
        "sources": [TEA.url],
    }
    [cited] = run.messages[-1].content[0].text.annotations
    kind, text = cited["type"], cited["text"]
    assert (kind, text) == ("url_citation", "All about tea")

    again = say("More", name="surfer", thread=thread)  # the call goes back, in a form that is taken
    assert again.status == "completed"
    [sent] = [i for i in standin.requests[-1].items if i.get("type") == "web_search_call"]
    assert sent["action"] == {"type": "search", "query": "green tea", "queries": ["green tea"]}


def test_the_log_tells_a_search_of_the_web_and_its_end(standin: StandIn) -> None:
    standin.brain = scripted(LOOKED_UP)
    deltas = [
        call
        for event in say(name="surfer").events()
        if event.event == "thread.run.step.delta"
        for call in event.data["delta"]["step_details"]["tool_calls"]
    ]
    assert [call["type"] for call in deltas] == ["web_search", "web_search"]
    assert deltas[-1]["web_search"]["sources"] == [TEA.url]


def test_a_web_search_can_be_forced(standin: StandIn) -> None:
    run = say("What is green tea?", name="surfer", tool_choice="web_search")
    assert [call.type for step in run.steps for call in step.tool_calls] == ["web_search"]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}
    assert standin.requests[0].body["tool_choice"] == allowed


def test_handlers_and_prints_know_a_search_of_the_web(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.brain = scripted(LOOKED_UP)
    say("What is green tea?", name="surfer", event_handler_class=PrintHandler)
    printed = capsys.readouterr().out
    assert "green tea" in printed
    assert TEA.url in printed
