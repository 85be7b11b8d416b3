"""The demo: a conversation with a tool, two more users at once, and a log read by another process.

It uses only threadmill's public API. Two worker processes have loaded `bot.py`; this script does
not know them: they share the Redis at THREADMILL_REDIS_URL.
"""

import asyncio
import json
import subprocess
import sys
import time
from itertools import pairwise

from rich.text import Text

from threadmill import Event, PrintHandler, Run, Thread, pprint_messages
from threadmill.cli.demo.bot import marvin
from threadmill.cli.demo.checks import STAND_IN, check, console


def play() -> None:
    """Play all of it."""
    began = time.monotonic()
    heading("One thread, two runs, a tool")
    runs = five_dice()
    heading("Two more users at the same time")
    runs += asyncio.run(two_users())
    heading("The log of a finished run, read by another process")
    read_elsewhere(runs[1])
    heading("That was")
    workers = " and ".join(sorted({str(run.worker) for run in runs}))
    seconds = time.monotonic() - began
    console.print(f"{len(runs)} runs on 3 threads, executed by {workers}, in {seconds:.1f} s.")


def heading(text: str) -> None:
    """Begin a part."""
    console.print()
    console.rule(f"[bold]{text}", align="left")


def five_dice() -> list[Run]:
    """Two runs on one thread; the second one calls a tool, which a worker executes."""
    thread = Thread()
    pprint_messages([thread.add("Hello!")])
    hello = thread.run(marvin, event_handler_class=PrintHandler)

    pprint_messages([thread.add("Please roll two dice"), thread.add("Actually--roll five dice")])
    dice = thread.run(marvin, event_handler_class=PrintHandler)

    if STAND_IN:
        [call] = [call for step in dice.steps for call in step.tool_calls]
        rolled = json.loads(call.output or "[]")
        roles = [message.role for message in thread.get_messages()]
        check("roll_dice was called with n_dice=5", json.loads(call.arguments) == {"n_dice": 5})
        check("it rolled five dice", len(rolled) == 5 and set(rolled) <= {1, 2, 3, 4, 5, 6})
        check("the answer is about these dice", f"That makes {sum(rolled)}." in dice.text)
        check("the thread is in order", roles == ["user", "assistant", "user", "user", "assistant"])
    return [hello, dice]


async def two_users() -> list[Run]:
    """The runs of one thread wait for each other; two threads do not."""
    seen: list[str] = []
    began = time.monotonic()
    ada, grace = await asyncio.gather(
        converse("Ada", "cyan", ["Good morning!", "Roll three dice, please."], seen, began),
        converse("Grace", "magenta", ["Who are you?", "One die for me!"], seen, began),
    )
    if STAND_IN:
        turns = sum(one != other for one, other in pairwise(seen))
        check("the two conversations took turns", turns > 3)
        check("all four runs are completed", {run.status for run in ada + grace} == {"completed"})
    return ada + grace


async def converse(
    name: str, color: str, messages: list[str], seen: list[str], began: float
) -> list[Run]:
    """Send everything at once, then read the answers phrase by phrase."""
    thread = Thread(key=name)
    runs = [await marvin.enqueue_async(message, thread=thread) for message in messages]
    for run, message in zip(runs, messages, strict=True):
        phrase = f"> {message}\n"
        async for event in run.events_async():
            phrase += words(event)
            if phrase.endswith((".", "!", "?", ":", "\n")):
                at = f"  {time.monotonic() - began:5.2f} s  [{color}]{name:<6}[/]"
                console.print(at, Text(phrase.strip()), soft_wrap=True)
                seen.append(name)
                phrase = ""
        await run.refresh_async()
    return runs


def words(event: Event) -> str:
    """What an event adds to the conversation."""
    if event.event == "thread.message.delta":
        return str(event.data["delta"]["content"][0]["text"]["value"])
    if event.event == "thread.run.step.delta":
        calls = event.data["delta"]["step_details"]["tool_calls"]
        outputs = [call["function"].get("output") for call in calls]
        return "".join(f"roll_dice -> {output}\n" for output in outputs if output)
    return ""


def read_elsewhere(run: Run) -> None:
    """Another process gets only the run's id."""
    console.print(f"$ threadmill tail {run.id}")
    command = [sys.executable, "-m", "threadmill", "tail", run.id]
    log = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603  our own program
    console.print(Text(log.rstrip()), soft_wrap=True)
    if STAND_IN:
        check("it has the answer, and its end", run.text in log and log.endswith("done\n"))


if __name__ == "__main__":
    play()
