"""What users write, for type checkers, which `make lint` runs; nobody executes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_type

from pydantic import BaseModel

from threadmill import (
    ENDRUN_TOKEN,
    Assistant,
    CodeInterpreter,
    EndRun,
    Event,
    EventHandler,
    FileSearch,
    Job,
    Message,
    PrintHandler,
    Run,
    Step,
    Template,
    Thread,
    current_call,
    errors,
    pprint_messages,
    pprint_run,
    pprint_steps,
    tool,
)
from threadmill.moving import Exported, Imported, export_file, import_file, import_file_async


class Place(BaseModel):
    town: str


@dataclass
class Point:
    x: int


def cry() -> str:
    return "boo"


@tool
def roll_dice(n_dice: int) -> list[int]:
    """Roll dice."""
    call = current_call()
    assert_type(call.run_id, str)
    assert_type(call.idempotency_key, str)
    return [n_dice]


@tool(timeout=3, on_interrupt="retry")
async def look(word: str) -> str:
    """Look a word up."""
    if word:
        raise EndRun(data=word)
    return ENDRUN_TOKEN


class Gloomy(Assistant):
    """An assistant with a field and hooks of its own."""

    mood: str = "gloomy"

    def get_instructions(self, thread: Thread | None = None) -> str:
        return super().get_instructions(thread) + self.mood

    def pre_run_hook(self) -> None:
        print(self.name)

    def post_run_hook(self, run: Run) -> None:
        print(run.status)


class Counting(EventHandler):
    """A handler of one's own."""

    def on_event(self, event: Event) -> None:
        print(event.id, event.event, event.data)


def definitions() -> None:
    ai = Assistant("Marvin", "Be gloomy.", "some-model", [cry, roll_dice, look])
    hosted = Assistant(name="Plotter", tools=[CodeInterpreter, FileSearch])
    assert_type(ai.name, str)
    assert_type(ai.id, str | None)
    assert_type(ai.model, str | None)
    assert_type(ai.metadata, dict[str, str])
    assert_type(ai.default_thread, Thread)
    assert_type(hosted.get_tools(), list[Any])
    assert_type(Gloomy(mood="worse").mood, str)
    ai.clear_default_thread()


def lifecycle(ai: Assistant) -> None:
    ai.create()
    ai.save()
    ai.delete()
    with ai as entered:
        assert_type(entered, Assistant)
    with Gloomy() as gloomy:
        assert_type(gloomy, Gloomy)
    assert_type(Assistant.load("asst_1"), Assistant)
    assert_type(Gloomy.load(id="asst_1", tools=[cry]), Gloomy)
    assert_type(Gloomy.load(assistant_id="asst_1"), Gloomy)


async def lifecycle_async(ai: Assistant) -> None:
    await ai.create_async()
    await ai.save_async()
    await ai.delete_async()
    async with Gloomy() as gloomy:
        assert_type(gloomy, Gloomy)
    assert_type(await Gloomy.load_async("asst_1"), Gloomy)


def talking(ai: Assistant, thread: Thread) -> None:
    assert_type(ai.say("Hello!"), Run)
    assert_type(ai.say("Hello!", thread, None, None, 3.0), Run)
    ai.say("Hello!", thread=thread, event_handler_class=None)
    ai.say("Hello!", event_handler_class=Counting, event_handler_kwargs={"x": 1})
    ai.say("Hello!", event_handler_kwargs={"print_steps": False}, timeout=3)
    ai.say(
        "Hello!",
        model="some-model",
        instructions="Sing.",
        additional_instructions="Loudly.",
        tools=[cry],
        additional_tools=[look],
        tool_choice="auto",
        temperature=0.5,
        top_p=1,
        max_completion_tokens=10,
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        truncation_strategy={"type": "auto"},
        metadata={"a": "b"},
        when_busy="interrupt",
        idempotency_key="monday",
        context={"user": 7},
    )
    assert_type(ai.enqueue("Hello!", thread, "reject", "monday", {"user": 7}), Run)
    ai.enqueue("Hello!", result_type=Place, temperature=0)
    ai.enqueue("Hello!", additional_messages=[{"role": "user", "content": "I am Eve."}])
    ai.enqueue("Hello!", instructions=Template("{{ self_.name }}"), additional_instructions=None)
    assert_type(ai.enqueue_many(["Hello!"]), list[Run])
    job: Job = {"message": "Hello!", "thread": thread, "temperature": 0, "image_files": ["a.png"]}
    jobs = [job, Job(message="Hello!", context={"user": 7}, when_busy="reject", result_type=Place)]
    ai.enqueue_many(jobs)
    ai.enqueue_many(number for number in ("one", "two"))
    thread.run(ai, additional_instructions=Template("{{ context.tenant }}"))
    assert_type(Assistant("Ada", Template("{{ self_.name }}")).instructions, str)


async def talking_async(ai: Assistant, thread: Thread) -> None:
    assert_type(await ai.say_async("Hello!", thread, event_handler_class=None), Run)
    assert_type(await ai.enqueue_async("Hello!", thread=thread, when_busy="queue"), Run)
    assert_type(await ai.enqueue_many_async(["Hello!", Job(message="Hello!")]), list[Run])


def threads(ai: Assistant) -> None:
    thread = Thread(key="user-42", metadata={"team": "blue"})
    assert_type(thread.id, str)
    assert_type(thread.key, str | None)
    assert_type(thread.metadata, dict[str, str])
    assert_type(Thread(id=None).create(["Hello!"]), Thread)
    assert_type(thread.refresh(), Thread)
    assert_type(thread.add("Hello!"), Message)
    assert_type(thread.get_messages(20, before_message="msg_1"), list[Message])
    assert_type(thread.run(ai), Run)
    assert_type(thread.run(assistant=ai, event_handler_class=PrintHandler, timeout=3), Run)
    assert_type(thread.enqueue(ai, "queue", temperature=1), Run)
    assert_type(thread.runs(limit=3), list[Run])
    assert_type(thread.runs(20, before="run_1", after="run_2"), list[Run])
    with Thread() as entered:
        assert_type(entered, Thread)
    thread.delete()


async def threads_async(ai: Assistant, thread: Thread) -> None:
    assert_type(await thread.create_async(), Thread)
    assert_type(await thread.refresh_async(), Thread)
    assert_type(await thread.add_async("Hello!", role="user"), Message)
    assert_type(await thread.get_messages_async(limit=3), list[Message])
    assert_type(await thread.run_async(ai), Run)
    assert_type(await thread.enqueue_async(ai), Run)
    assert_type(await thread.runs_async(), list[Run])
    async with Thread() as entered:
        assert_type(entered, Thread)
    await thread.delete_async()


def runs(run: Run) -> None:
    assert_type(Run.load("run_1"), Run)
    assert_type(run.wait(), Run)
    assert_type(run.wait(timeout=3), Run)
    assert_type(run.refresh(), Run)
    assert_type(run.cancel(), Run)
    assert_type(run.metadata, dict[str, str])
    assert_type(run.save(), Run)
    assert_type(run.events(after=3), Iterator[Event])
    assert_type([event.sse() for event in run.events(public=True)], list[str])
    assert_type(run.messages, list[Message])
    assert_type(run.steps, list[Step])
    assert_type(run.text, str)
    assert_type(run.attempt, int)
    assert_type(run.worker, str | None)
    assert_type(run.assistant_version, int | None)
    assert_type(run.result_as(Place), Place)
    assert_type(run.result_as(Point), Point)
    assert_type(run.result_as(list[int]), list[int])
    if run.status == "completed" and run.usage:
        assert_type(run.usage.total_tokens, int)
    if run.last_error:
        assert_type(run.last_error.message, str)
    for message in run.messages:
        assert_type(message.text, str)
        assert_type(message.assistant_name, str | None)
    for step in run.steps:
        assert_type([call.output for call in step.tool_calls], list[str | None])
    if run.required_action:
        ids = [call.id for call in run.required_action.tool_calls]
        assert_type(run.submit_tool_outputs(dict.fromkeys(ids, "an output")), Run)
        assert_type(run.submit_tool_outputs([{"tool_call_id": ids[0], "output": 3}]), Run)
        assert_type(run.approve(ids[0]), Run)
        assert_type(run.reject(ids[0], reason="too much"), Run)
    pprint_run(run)
    pprint_messages(run.messages)
    pprint_steps(run.steps)


async def runs_async(run: Run) -> None:
    assert_type(await Run.load_async("run_1"), Run)
    assert_type(await run.wait_async(3), Run)
    assert_type(await run.refresh_async(), Run)
    assert_type(await run.cancel_async(), Run)
    assert_type(await run.save_async(), Run)
    assert_type(await run.submit_tool_outputs_async({"call_1": {"n": 1}}), Run)
    assert_type(await run.approve_async("call_1"), Run)
    assert_type(await run.reject_async("call_1"), Run)
    assert_type(run.events_async(), AsyncIterator[Event])
    assert_type(run.events_async(after=3, public=True), AsyncIterator[Event])
    async for event in run.events_async(after=3):
        assert_type(event.id, int)
        assert_type(event.event, str)


def failures(ai: Assistant) -> None:
    try:
        ai.say("Hello!")
    except errors.RunFailed as error:
        print(error.run)
    except errors.ThreadLocked as error:
        assert_type(error.run_id, str)
    except errors.NotAllEnqueued as error:
        assert_type(error.errors, dict[int, Exception])
        print(error.runs)
    except (errors.WaitTimeout, errors.CallerError, errors.InfrastructureError):
        pass


def moving(file: Path, thread: Thread) -> None:
    assert_type(import_file(file, dry_run=True), Imported)
    assert_type(export_file(str(file), [thread]), Exported)


async def moving_async(file: Path) -> None:
    assert_type(await import_file_async(file), Imported)


def mistakes(ai: Assistant, thread: Thread) -> None:
    """What a type checker tells; a comment here that ignores nothing is an error itself."""
    ai.say("Hello!", temprature=1)  # type: ignore[call-arg]
    ai.say(3)  # type: ignore[arg-type]
    ai.enqueue("Hello!", when_busy="wait")  # type: ignore[arg-type]
    Job(thread=thread)  # type: ignore[typeddict-item]
    Job(message="Hello!", colour="red")  # type: ignore[typeddict-unknown-key]
    thread.run("Marvin")  # type: ignore[arg-type]
    Assistant(colour="red")  # type: ignore[call-arg]
