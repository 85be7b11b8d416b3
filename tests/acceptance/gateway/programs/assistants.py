"""A program that speaks the Assistants API, for every version of OpenAI's package since 1.21.

    python assistants.py BASE_URL [SCENARIO...]

It uses nothing that is newer, and prints one JSON object: what each scenario gave in each way.
"""

import asyncio
import json
import sys
import threading
import time
import warnings
from typing import Any

import openai
from openai import AssistantEventHandler, AsyncAssistantEventHandler

warnings.simplefilter("ignore")

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}
SCENARIOS = {
    "plain": "tokens=5",
    "tool": "call add {}",
    "two tools": "call add {} and call add {}",
    "two rounds": "two rounds",
    "cancel": "tokens=3000 delay=0.02",
    "failure": "fail",
    "incomplete": "cut short",
    "hosted": "plot it",
    "expiry": "tokens=3000 delay=0.02",
    "own events": "call fail {}",
}
OWN_EVENTS = {"Threadmill-Events": "all"}
VERSION = [int(number) for number in openai.__version__.split(".")[:2]]
WAYS = ("poll", "stream", "raw", "async")


class Handler(AssistantEventHandler):
    def __init__(self, on_text: Any = None) -> None:
        super().__init__()
        self.text, self.names, self.tool_calls, self._on_text = "", [], [], on_text

    def on_event(self, event: Any) -> None:
        self.names.append(event.event)

    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.text += delta.value or ""
        if self._on_text:
            self._on_text(self.current_run)

    def on_tool_call_done(self, tool_call: Any) -> None:
        self.tool_calls.append(tool_call.id)


class AsyncHandler(AsyncAssistantEventHandler):
    def __init__(self, on_text: Any = None) -> None:
        super().__init__()
        self.text, self.names, self._on_text = "", [], on_text

    async def on_event(self, event: Any) -> None:
        self.names.append(event.event)

    async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.text += delta.value or ""
        if self._on_text:
            await self._on_text(self.current_run)


def outputs_of(run: Any) -> list:
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": "4"} for call in calls]


class Program:
    """The scenarios of one client."""

    def __init__(self, base_url: str) -> None:
        self.cancelled: set = set()
        self.options = {"base_url": base_url, "api_key": "none", "timeout": 60}
        self.client = openai.OpenAI(**self.options)
        self.beta = self.client.beta
        self.assistant = self.beta.assistants.create(model="gpt-5.4-mini", tools=[ADD]).id
        self.drawer = self.beta.assistants.create(
            model="gpt-5.4-mini", tools=[{"type": "code_interpreter"}]
        ).id

    def begin(self, scenario: str) -> dict:
        message = {"role": "user", "content": SCENARIOS[scenario]}
        thread = self.beta.threads.create(messages=[message])
        assistant = self.drawer if scenario == "hosted" else self.assistant
        where = {"thread_id": thread.id, "assistant_id": assistant}
        if scenario == "own events":  # of an assistant whose functions the workers execute
            return {**where, "assistant_id": "toolbox", "extra_headers": OWN_EVENTS}
        return where

    def cancel_once(self, run: Any) -> None:
        if run is not None and run.id not in self.cancelled:
            self.cancelled.add(run.id)
            self.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)

    def outcome(self, run: Any, text: str = "") -> dict:
        run = self.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        messages = self.beta.threads.messages.list(run.thread_id, order="asc")
        steps = self.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
        said = [
            part.text.value
            for message in messages
            if message.role == "assistant"
            for part in message.content
            if part.type == "text"
        ]
        return {
            "status": run.status,
            "error": run.last_error.code if run.last_error else None,
            "reason": run.incomplete_details.reason if run.incomplete_details else None,
            "text": "".join(said),
            "streamed": text,
            "steps": [[step.type, step.status] for step in steps],
        }

    # ---- ways -----------------------------------------------------------------------------------

    def poll(self, scenario: str) -> dict:
        runs, where = self.beta.threads.runs, self.begin(scenario)
        if scenario == "cancel":
            run = runs.create(**where)
            time.sleep(0.3)
            runs.cancel(run.id, thread_id=run.thread_id)
            return self.outcome(runs.poll(run.id, thread_id=run.thread_id))
        run = runs.create_and_poll(**where)
        while run.status == "requires_action":
            run = runs.submit_tool_outputs_and_poll(
                run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs_of(run)
            )
        return self.outcome(run)

    def stream(self, scenario: str) -> dict:
        runs, where = self.beta.threads.runs, self.begin(scenario)
        on_text = self.cancel_once if scenario == "cancel" else None
        handler = Handler(on_text)
        text, names = "", []
        opened = runs.stream(**where, event_handler=handler)
        while True:
            with opened as stream:
                stream.until_done()
                run = stream.current_run
            text, names = text + handler.text, [*names, handler.names]
            if run.status != "requires_action":
                break
            handler = Handler()
            opened = runs.submit_tool_outputs_stream(
                run_id=run.id,
                thread_id=run.thread_id,
                tool_outputs=outputs_of(run),
                event_handler=handler,
            )
        return {**self.outcome(run, text), "names": names}

    def raw(self, scenario: str) -> dict:
        runs, where = self.beta.threads.runs, self.begin(scenario)
        events, text, names, run = runs.create(**where, stream=True), "", [[]], None
        while True:
            for event in events:
                names[-1].append(event.event)
                if event.event.startswith("thread.run.") and ".step." not in event.event:
                    run = event.data
                if event.event == "thread.message.delta":
                    part = event.data.delta.content[0]
                    text += part.text.value or "" if part.type == "text" else ""
                    if scenario == "cancel":
                        self.cancel_once(run)
            if run.status != "requires_action":
                return {**self.outcome(run, text), "names": names}
            names.append([])
            events = runs.submit_tool_outputs(
                run.id, thread_id=run.thread_id, tool_outputs=outputs_of(run), stream=True
            )

    def async_(self, scenario: str) -> dict:
        return asyncio.run(self._async(scenario))

    async def _async(self, scenario: str) -> dict:
        async with openai.AsyncOpenAI(**self.options) as client:
            runs, where, text = client.beta.threads.runs, self.begin(scenario), ""

            async def cancel(run: Any) -> None:
                if run.id not in self.cancelled:
                    self.cancelled.add(run.id)
                    await runs.cancel(run.id, thread_id=run.thread_id)

            handler = AsyncHandler(cancel if scenario == "cancel" else None)
            opened = runs.stream(**where, event_handler=handler)
            while True:
                async with opened as stream:
                    await stream.until_done()
                    run = stream.current_run
                text += handler.text
                if run.status != "requires_action":
                    return self.outcome(run, text)
                handler = AsyncHandler()
                opened = runs.submit_tool_outputs_stream(
                    run_id=run.id,
                    thread_id=run.thread_id,
                    tool_outputs=outputs_of(run),
                    event_handler=handler,
                )


def main() -> None:
    program = Program(sys.argv[1])
    found: dict = {}
    threads = []

    def try_all(scenario: str) -> None:
        for way in WAYS:
            if (scenario, way) == ("incomplete", "poll") and VERSION < [1, 22]:
                continue  # its poll does not know this status, and goes on for ever
            act = program.async_ if way == "async" else getattr(program, way)
            try:
                found[f"{scenario}, {way}"] = act(scenario)
            except Exception as error:  # noqa: BLE001  the test shows it
                found[f"{scenario}, {way}"] = {"raised": f"{type(error).__name__}: {error}"}

    for scenario in sys.argv[2:] or set(SCENARIOS) - {"expiry"}:
        threads.append(threading.Thread(target=try_all, args=(scenario,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    print(json.dumps({"version": openai.__version__, "found": found}))


main()
