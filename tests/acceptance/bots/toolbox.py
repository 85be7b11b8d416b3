"""An assistant whose tools show how they were called."""

import asyncio
import gc
import time
from collections import Counter

from pydantic import BaseModel

from threadmill import ENDRUN_TOKEN, Assistant, EndRun, Thread, current_call, errors

_calls: Counter[str] = Counter()


class Address(BaseModel):
    street: str
    number: int


async def wait_on_loop(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "waited on the loop"


def wait_in_thread(seconds: float) -> str:
    time.sleep(seconds)
    return "waited in a thread"


def show_int(value: int) -> str:
    _calls["show_int"] += 1
    return f"{type(value).__name__} {value}"


def show_address(address: Address) -> str:
    _calls["show_address"] += 1
    return f"{type(address).__name__} {address.street} {address.number}"


def count_calls(of: str) -> int:
    return _calls[of]


def fail() -> str:
    raise LookupError("nothing there")


def end_by_raise() -> str:
    raise EndRun({"won": 3})


async def end_by_return() -> EndRun:
    return EndRun({"won": 3})


def end_by_token() -> str:
    return ENDRUN_TOKEN


def collect_garbage() -> str:
    for _ in range(3):
        gc.collect()
    return "collected"


def say_here(text: str) -> str:
    try:
        plain.say(text, thread=Thread(current_call().thread_id), event_handler_class=None)
    except errors.ThreadLocked as error:
        return f"ThreadLocked by {error.run_id}"
    return "said"


async def say_here_async(text: str) -> str:
    thread = Thread(current_call().thread_id)
    try:
        await plain.say_async(text, thread=thread, event_handler_class=None)
    except errors.ThreadLocked as error:
        return f"ThreadLocked by {error.run_id}"
    return "said"


def say_back(thread: str) -> str:
    """Say something on a thread whose run may be waiting for this very call."""
    try:
        plain.say("Hello?", thread=Thread(thread), event_handler_class=None)
    except errors.ThreadLocked as error:
        return f"ThreadLocked by {error.run_id}"
    return "said"


def have_it_said_back() -> str:
    """Enqueue a run whose tool says something on the thread of this one."""
    text = f'call say_back {{"thread": "{current_call().thread_id}"}}'
    run = toolbox.say(text, thread=Thread(), event_handler_class=None)
    return next(call.output or "" for step in run.steps for call in step.tool_calls)


def say_elsewhere(text: str) -> str:
    return plain.say(text, thread=Thread(), event_handler_class=None).text


async def say_elsewhere_async(text: str) -> str:
    return (await plain.say_async(text, thread=Thread(), event_handler_class=None)).text


plain = Assistant(name="plain")
toolbox = Assistant(
    name="toolbox",
    tools=[
        *(wait_on_loop, wait_in_thread, show_int, show_address, count_calls, fail),
        *(end_by_raise, end_by_return, end_by_token, collect_garbage),
        *(say_here, say_here_async, say_elsewhere, say_elsewhere_async),
        *(say_back, have_it_said_back),
    ],
)
