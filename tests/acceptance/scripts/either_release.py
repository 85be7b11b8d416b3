"""A producer of either release: does what the lines of its standard input ask for.

One JSON array a line, a word and its arguments; the answer is one line of JSON. What takes a while
goes on beside, and `settle` waits for it.
"""

import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any

from threadmill import Assistant, Run, Thread, tool


@tool
def sign(paper: int) -> str:
    """Sign a paper; no worker has this function."""
    return f"{paper} signed"


class Producer:
    """What it can be asked for."""

    def __init__(self) -> None:
        self._beside: list[asyncio.Task[None]] = []
        self._made: dict[str, Assistant] = {}

    async def enqueue(
        self, assistant: str, thread: str, message: str, key: str, options: dict[str, Any]
    ) -> str:
        loaded = await Assistant.load_async(assistant)
        if options.pop("signs", False):
            options["additional_tools"] = [sign]
        if options.pop("counts", False):
            options["result_type"] = list[int]
        run = await loaded.enqueue_async(
            message, Thread(key=thread), idempotency_key=key, **options
        )
        if "additional_tools" in options:
            self._go_on_beside(self._wait(run))
        return run.id

    async def approve(self, run_id: str) -> None:
        """Approve the run's calls, as soon as it waits for that."""
        self._go_on_beside(self._approve(run_id))

    async def cancel(self, run_id: str) -> None:
        await (await Run.load_async(run_id)).cancel_async()

    async def look(self, run_id: str) -> list[Any]:
        run = await Run.load_async(run_id)
        return [run.status, run.worker, run.attempt]

    async def ended(self, run_id: str) -> str:
        run = await Run.load_async(run_id)
        return (await run.wait_async(60)).status

    async def story(self, run_id: str) -> dict[str, Any]:
        """All that can be read of a run."""
        run = await Run.load_async(run_id)
        return {
            "thread": run.thread_id,
            "status": run.status,
            "messages": [message.model_dump() for message in run.messages],
            "steps": [step.model_dump() for step in run.steps],
            "usage": run.usage and run.usage.model_dump(),
            "error": run.last_error and run.last_error.model_dump(),
            "assistant": [run.assistant_name, run.assistant_version],
            "events": [asdict(event) async for event in run.events_async()],
        }

    async def runs(self, thread: str) -> list[str]:
        return [run.id for run in await Thread(key=thread).runs_async(100)]

    async def said(self, thread: str) -> list[list[Any]]:
        """The messages of a thread, in order: whose, of which run, what."""
        found = await Thread(key=thread).get_messages_async(100)
        return [[one.role, one.run_id, one.text] for one in found]

    async def create(self, name: str) -> str:
        made = Assistant(name=name, model="gpt-test", instructions="First.")
        await made.create_async()
        assert made.id is not None
        return made.id

    async def change(self, assistant_id: str, instructions: str) -> None:
        loaded = await Assistant.load_async(assistant_id)
        loaded.instructions = instructions
        await loaded.save_async()

    async def definition(self, assistant: str) -> dict[str, Any]:
        return (await Assistant.load_async(assistant)).definition().model_dump(mode="json")

    async def lists_are_incomplete(self) -> bool:
        return bool((await Run.list_async(limit=1)).incomplete)

    async def listed_runs(self, wanted: dict[str, Any]) -> list[list[str]]:
        """Id and status of every run that fits, as lists have them."""
        page = await Run.list_async(limit=100, **wanted)
        found = [[run.id, run.status] for run in page]
        while page.cursor:
            page = await Run.list_async(limit=100, cursor=page.cursor, **wanted)
            found += [[run.id, run.status] for run in page]
        return found

    async def listed_threads(self) -> list[str]:
        page = await Thread.list_async(limit=1000)
        assert page.cursor is None
        return [thread.id for thread in page]

    async def settle(self) -> None:
        await asyncio.gather(*self._beside)
        self._beside.clear()

    async def _approve(self, run_id: str) -> None:
        while (waiting := (await Run.load_async(run_id)).required_action) is None:
            await asyncio.sleep(0.1)
        run = await Run.load_async(run_id)
        for call in waiting.tool_calls:
            await run.approve_async(call.id)

    async def _wait(self, run: Run) -> None:
        await run.wait_async(60)

    def _go_on_beside(self, work: Coroutine[Any, Any, None]) -> None:
        self._beside.append(asyncio.ensure_future(work))


async def main() -> None:
    producer = Producer()
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, *arguments = json.loads(line)
        answer = await getattr(producer, word)(*arguments)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
