"""A provider refuses what earlier turns left: runs ask again with less, and the thread lives on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Worker, Workers
from tests.support.recording_handlers import Ours
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import Answer, Call, Fault, Reasoning, Record, Reply, Request, StandIn, Text
from threadmill.testing.standin.plot import sine_plot

SECRET = "what-nobody-else-may-read"
BAD = Fault.status(400, message="Bad Request")
BAD_IMAGE = Fault.status(400, message="Invalid image data.", param="input[1].content")
UNSAFE = Fault.status(400, message="The prompt violates our content management policy.")
REDUCED = "threadmill.model.reduced"


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> Worker:
    [worker] = lasting.workers.start("toolbox")
    return worker


@pytest.fixture
def standin(lasting: Lasting) -> Iterator[StandIn]:
    yield from checked(lasting.fresh_standin())


def checked(standin: StandIn) -> Iterator[StandIn]:
    """A provider; whatever was left out, no request may break a rule of the protocol."""
    yield standin
    assert [r.refused_by or r.error for r in standin.requests if r.refused_by or r.error] == []


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "dot.png"
    path.write_bytes(sine_plot())
    return path


# ---- what is asked, and what is refused ----------------------------------------------------------

Rule = Callable[[Request], bool]


def refusing(rule: Rule, refusal: Answer = BAD, *answers: Answer) -> Callable[[Request], Any]:
    """A brain that refuses what the rule is true of, and otherwise says these answers in turn."""
    left = list(answers)

    def brain(request: Request) -> Answer | str:
        if rule(request):
            return refusal
        return left.pop(0) if left else "Fine."

    return brain


def has(text: str) -> Rule:
    return lambda request: text in request.raw.decode()


has_image = has("image_url")
has_reasoning = has('"encrypted_content"')


def say(text: str, thread: Thread, name: str = "plain", **options: Any) -> Run:
    """Say something, whatever becomes of it."""
    return ended(Assistant.load(name).enqueue(text, thread=thread, **options))


def run_again(thread: Thread) -> Run:
    """Run the thread as it is."""
    return ended(thread.enqueue(Assistant.load("plain")))


def ended(run: Run) -> Run:
    return run.wait(30)


def reductions(run: Run) -> list[dict[str, int]]:
    """What each further request of the run has left out."""
    return [event.data["left_out"] for event in run.events() if event.event == REDUCED]


def said(record: Record) -> list[str]:
    """What users and assistants have said in a request, in order."""
    found: list[str] = []
    for item in record.items:
        content = item.get("content") or ""
        parts = [{"text": content}] if isinstance(content, str) else content
        if item.get("role") in ("user", "assistant"):
            found += [text for part in parts for text in part.get("text", "").split("\n\n") if text]
    return found


# ---- a turn that is refused ----------------------------------------------------------------------


def test_the_run_after_a_refused_one_is_answered_and_has_all_that_was_answered_before(
    standin: StandIn, worker: Worker
) -> None:
    thread = Thread()
    standin.brain = refusing(has(SECRET))
    say("First", thread)
    failed = say(SECRET, thread)
    assert (failed.status, failed.last_error and failed.last_error.name) == (
        "failed",
        "ModelRefused",
    )
    before = worker.log()
    standin.forget()
    run = say("And now?", thread)
    assert (run.status, run.text) == ("completed", "Fine.")
    assert len(standin.requests) == 2
    assert said(standin.requests[-1]) == ["First", "Fine.", "And now?"]
    assert reductions(run) == [{"turns": 1}]

    log = worker.log_since(before)
    [line] = [line for line in log.splitlines() if "asking again" in line]
    assert "WARNING" in line
    assert all(word in line for word in (run.id, thread.id, "HTTP 400", "(left out: turns 1)"))
    assert SECRET not in log
    assert "Bad Request" not in log


def test_people_and_handlers_are_told_what_is_left_out(standin: StandIn) -> None:
    thread = Thread()
    standin.brain = refusing(has(SECRET))
    say(SECRET, thread)
    notes: list[Any] = []
    run = Assistant.load("plain").say(
        "And now?", thread=thread, event_handler_class=Ours, event_handler_kwargs={"notes": notes}
    )
    told = [arguments[0]["event"] for name, arguments in notes if name == "on_event"]
    assert REDUCED in told
    assert REDUCED in run_threadmill("tail", run.id).stdout
    lines = map(json.loads, run_threadmill("tail", "--json", run.id).stdout.splitlines())
    [data] = [line["data"] for line in lines if line["event"] == REDUCED]
    assert data == {"error": "ModelRefused", "status": 400, "left_out": {"turns": 1}}


def test_what_was_left_out_is_not_sent_to_this_model_again(standin: StandIn) -> None:
    thread = Thread()
    standin.brain = refusing(has(SECRET))
    say(SECRET, thread)
    say("And now?", thread)
    standin.forget()
    run = say("And then?", thread)
    assert reductions(run) == []
    assert [said(one) for one in standin.requests] == [["And now?", "Fine.", "And then?"]]


def test_another_model_is_sent_all_of_it(standin: StandIn) -> None:
    thread = Thread()
    standin.brain = refusing(lambda request: request.model != "other" and has(SECRET)(request))
    say(SECRET, thread)
    say("And now?", thread)
    standin.forget()
    say("And you?", thread, model="other")
    assert [said(one) for one in standin.requests] == [[SECRET, "And now?", "Fine.", "And you?"]]


def test_what_a_provider_refused_for_a_while_is_sent_when_it_takes_it(standin: StandIn) -> None:
    thread = Thread()
    standin.brain = lambda _: BAD
    assert [say(text, thread).status for text in ("One", "Two")] == ["failed", "failed"]
    standin.brain = lambda _: "Fine."
    standin.forget()
    assert say("Three", thread).status == "completed"
    assert [said(one) for one in standin.requests] == [["One", "Two", "Three"]]


@pytest.mark.parametrize("is_added", [False, True], ids=["said", "added"])
def test_a_refused_image_costs_one_run_and_nothing_but_the_image(
    standin: StandIn, image: Path, is_added: bool
) -> None:
    def put(text: str, **files: Any) -> Run:
        if not is_added:
            return say(text, thread, **files)
        thread.add(text, **files)
        return run_again(thread)

    thread = Thread()
    standin.brain = refusing(has_image, BAD_IMAGE)
    put("First")
    failed = put("Look", image_files=[image])
    assert failed.status == "failed"
    assert "Invalid image data" in str(failed.last_error)
    run = put("And now?")
    assert (run.status, run.text) == ("completed", "Fine.")
    assert reductions(run) == [{"files": 1}]
    sent = said(standin.requests[-1])
    assert sent == ["First", "Fine.", "Look\n[An image was left out.]", "And now?"]
    # The same turn once more does not take the image up again.
    assert run_again(thread).status == "completed"


def test_messages_that_were_added_and_refused_one_after_the_other_end_no_thread(
    standin: StandIn, image: Path
) -> None:
    thread = Thread()
    standin.brain = refusing(lambda request: has_image(request) or has(SECRET)(request))
    for text, files in (("Look", [image]), (SECRET, None), ("And here", [image])):
        thread.add(text, image_files=files)
        assert run_again(thread).status == "failed"
    thread.add("And now?")
    run = run_again(thread)
    assert (run.status, run.text) == ("completed", "Fine.")
    assert say("And then?", thread).status == "completed"


def test_a_refused_turn_that_is_run_again_is_sent_whole(standin: StandIn, image: Path) -> None:
    thread = Thread()
    standin.brain = refusing(has_image, BAD_IMAGE)
    thread.add("Look", image_files=[image])
    for _ in range(2):
        standin.forget()
        run = run_again(thread)
        assert run.status == "failed"
        assert "Invalid image data" in str(run.last_error)
        assert [b"image_url" in json.dumps(one.body).encode() for one in standin.requests] == [True]
    standin.brain = lambda _: "A dot."
    assert run_again(thread).text == "A dot."


# ---- a part that is refused ----------------------------------------------------------------------


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_reasoning_alone_is_left_out_if_it_is_the_cause(standin: StandIn) -> None:
    thread = Thread()
    standin.brain = lambda _: Reply([Reasoning("Hm"), Text("A three.")])
    say("Roll", thread)
    standin.brain = refusing(has_reasoning)
    run = say("And now?", thread)
    assert run.status == "completed"
    assert reductions(run) == [{"reasoning": 1}]
    assert said(standin.requests[-1]) == ["Roll", "A three.", "And now?"]


def test_calls_stay_with_their_outputs_and_the_current_turn_stays_whole(
    standin: StandIn, image: Path
) -> None:
    thread = Thread()
    call = Call("show_int", {"value": 1})
    standin.brain = refusing(has("nothing"), BAD, Reply([call]))
    say("Earlier", thread, "toolbox", image_files=[image])
    own = Reply([Text("I look."), Call("show_int", {"value": 7})])
    standin.brain = refusing(lambda one: has_image(one) and bool(one.tool_outputs), BAD_IMAGE, own)
    standin.forget()
    run = say("Now", thread, "toolbox")
    assert (run.status, run.text) == ("completed", "I look.\n\nFine.")
    first, refused, last = standin.requests
    assert reductions(run) == [{"files": 1}]
    body = json.dumps(last.body)
    assert all(word in body for word in ("Earlier", "int 1", "I look.", "int 7"))
    assert "image_url" not in body
    assert first.items[-1] in refused.items


def test_the_further_requests_are_counted_for_each_answer(standin: StandIn, image: Path) -> None:
    thread = Thread()
    standin.brain = lambda _: "Fine."
    for number in range(15):
        say(f"Turn {number}.", thread)
    say("Last turn.", thread, image_files=[image])

    def brain(request: Request) -> Answer | str:
        users = [message.text for message in request.messages if message.role == "user"]
        if not request.tool_outputs:
            return UNSAFE if len(users) > 2 else Reply([Call("show_int", {"value": 7})])
        return BAD if len(users) > 1 else "Fine."

    standin.brain = brain
    run = say("Now", thread, "toolbox")
    assert (run.status, run.text) == ("completed", "Fine.")
    assert [one.get("turns", 0) for one in reductions(run)] == [8, 12, 14, 15, 15, 16]


def test_a_refusal_inside_a_stream_is_one_too(standin: StandIn) -> None:
    thread = Thread()
    refusal = Fault.event_error(code="invalid_prompt", message="This is not allowed.")
    standin.brain = refusing(has(SECRET), refusal)
    say("First", thread)
    assert say(SECRET, thread).status == "failed"
    run = say("And now?", thread)
    assert run.status == "completed"
    assert said(standin.requests[-1]) == ["First", "Fine.", "And now?"]


def test_a_refusal_in_the_middle_of_an_answer_is_one_if_it_names_a_part(
    standin: StandIn, image: Path
) -> None:
    thread = Thread()
    standin.brain = lambda _: "Fine."
    say("Look", thread, image_files=[image])
    begun = Reply([Text("one two three four")])
    refusal = Fault.event_error(2, code="invalid_prompt", message="Bad image.", reply=begun)
    standin.brain = refusing(has_image, refusal)
    run = say("And now?", thread)
    assert (run.status, run.text) == ("completed", "Fine.")
    assert reductions(run) == [{"files": 1}]


# ---- what is not asked again ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        Fault.status(404, message="The model `m` does not exist.", code="model_not_found"),
        Fault.status(401, message="Incorrect API key provided.", code="invalid_api_key"),
        Fault.status(403, message="You have no access."),
        Fault.status(400, message="Must be at most 2.", param="temperature"),
        Fault.status(400, message="Unsupported parameter: 'logprobs'."),
    ],
    ids=["model", "key", "access", "param", "parameter"],
)
def test_a_refusal_that_names_model_key_or_parameter_is_final(
    standin: StandIn, refusal: Answer
) -> None:
    thread = Thread()
    say("First", thread)
    standin.brain = lambda _: refusal
    standin.forget()
    run = say("And now?", thread)
    assert run.status == "failed"
    assert reductions(run) == []
    assert len(standin.requests) == 1
    # It says nothing about the thread.
    standin.brain = lambda _: "Fine."
    assert say("And then?", thread).status == "completed"
    assert "And now?" in said(standin.requests[-1])


def test_at_most_five_further_requests_are_made_and_the_last_has_the_current_turn_only(
    standin: StandIn, image: Path
) -> None:
    thread = Thread()
    for number in range(40):
        say(f"Turn {number}.", thread, image_files=[image] if number == 7 else None)
    standin.brain = lambda _: BAD
    standin.forget()
    run = say("And now?", thread)
    assert run.status == "failed"
    assert len(standin.requests) == 6
    assert said(standin.requests[-1]) == ["And now?"]
    bodies = [json.dumps(record.body) for record in standin.requests]
    assert len(set(bodies)) == 6


def test_a_turn_that_is_too_long_by_itself_is_told_what_helps(standin: StandIn) -> None:
    thread = Thread()
    say("Hello", thread)
    too_long = Fault.status(400, code="context_length_exceeded", message="Too long.")
    standin.brain = lambda _: too_long
    run = say("Read this: ...", thread)
    assert run.status == "failed"
    assert run.last_error is not None
    assert "This turn is too long by itself" in run.last_error.message
    assert "THREADMILL_MAX_TOOL_OUTPUT_BYTES" in run.last_error.message


def test_a_slow_provider_is_asked_until_the_runs_deadline(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = Thread()
    for number in range(8):
        say(f"Turn {number}.", thread)
    standin.brain = slowly(0.8, BAD)
    standin.forget()
    monkeypatch.setenv("THREADMILL_RUN_SECONDS", "2")
    close_client()
    run = say("And now?", thread)
    monkeypatch.undo()
    close_client()
    assert run.status == "expired"
    assert 1 < len(standin.requests) < 6
    standin.brain = lambda _: "Fine."
    assert say("And then?", thread).status == "completed"


def slowly(seconds: float, answer: Answer) -> Callable[[Request], Awaitable[Answer]]:
    async def brain(_: Request) -> Answer:
        await asyncio.sleep(seconds)
        return answer

    return brain


def test_a_cancelled_run_does_not_ask_again(standin: StandIn) -> None:
    thread = Thread()
    for number in range(8):
        say(f"Turn {number}.", thread)
    standin.brain = slowly(0.5, BAD)
    standin.forget()
    run = Assistant.load("plain").enqueue("And now?", thread=thread)
    standin.wait_until(lambda requests: len(requests) == 2)
    run.cancel()
    assert run.wait(10).status == "cancelled"
    count = len(standin.requests)
    standin.brain = lambda _: "Fine."
    assert say("And then?", thread).status == "completed"
    assert len(standin.requests) == count + 1


# ---- several processes ---------------------------------------------------------------------------


def test_another_worker_and_another_producer_know_what_is_left_out(
    workers: Workers, standin: StandIn
) -> None:
    thread = Thread()
    standin.brain = refusing(has(SECRET))
    [first] = workers.start("bot")
    say(SECRET, thread)
    say("And now?", thread)
    first.terminate()
    assert first.ends()
    workers.start("bot")
    standin.forget()
    told = run_threadmill("say", "plain", "And then?", "--thread", thread.id)
    assert "Fine." in told.stdout
    [record] = standin.requests
    assert said(record) == ["And now?", "Fine.", "And then?"]


def test_a_worker_that_takes_over_asks_again_as_well(workers: Workers, standin: StandIn) -> None:
    thread = Thread()
    standin.brain = refusing(has(SECRET))
    [first] = workers.start("bot")
    say(SECRET, thread)
    hanging = True

    async def brain(request: Request) -> Answer | str:
        if has(SECRET)(request):
            return BAD
        while hanging:
            await asyncio.sleep(0.01)
        return "Fine."

    standin.brain = brain
    standin.forget()
    run = Assistant.load("plain").enqueue("And now?", thread=thread)
    standin.wait_until(lambda requests: len(requests) == 2)
    next(event for event in run.events() if event.event == REDUCED)  # it is stored
    first.kill()
    hanging = False
    workers.start("bot")
    assert ended(run).text == "Fine."
    assert reductions(run) == [{"turns": 1}, {"turns": 1}]
    standin.forget()
    wait_until(lambda: say("And then?", thread).status == "completed", "it is answered")
    assert len(standin.requests) == 1
