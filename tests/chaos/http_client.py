"""A program that says things over HTTP, and goes on reading wherever a stream was cut.

    python -m tests.chaos.http_client NAME SEED OUTSTANDING SAYS STREAMS CALLS URL...

What it cannot know the outcome of, it sends again with the same key, to the next gateway. A thread
is of one of four kinds: workers execute the functions; this program does, and submits the outputs;
streams are read by a handler of the openai package; runs are cancelled. On SIGTERM it ends what it
has begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
import warnings
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import httpx2 as httpx
import openai
from openai.lib.streaming import AsyncAssistantStreamManager
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Run
from openai.types.beta.threads.run_submit_tool_outputs_params import ToolOutput
from tests.chaos.ledger import Ledger
from tests.chaos.package_reader import PackageReader
from tests.chaos.says import TWIN, Say, invent
from tests.chaos.stream_copy import StreamCopy

ASSISTANT = "chaotic"
OF_WORKERS = ("pay", "note", "fetch")
"""Tools that this assistant has; those of producers cannot be given over HTTP."""
PARAMETERS = {"type": "object", "properties": {"seconds": {"type": "number"}}}
FUNCTIONS = [
    {"type": "function", "function": {"name": name, "parameters": PARAMETERS}}
    for name in OF_WORKERS
]
"""Defined over HTTP, so this program executes them, although workers have their names."""
KINDS = ("workers", "outputs", "handler", "cancel")
TWINS = 2
"""Equal messages at the beginning of each thread."""
SAYS_PER_THREAD = 10
PAUSE = 0.2
ANSWER_SECONDS = 1.5
"""Less than gateways are frozen for: they execute requests that were sent again elsewhere."""
READ_SECONDS = 25.0
"""A silent stream has a comment every 15 s."""
TRY_AGAIN = (
    *(openai.APIConnectionError, openai.InternalServerError),
    *(openai.RateLimitError, openai.ConflictError),
    *(aiohttp.ClientError, httpx.TransportError, TimeoutError),
)

T = TypeVar("T")


class HttpClient:
    """Talks on several threads at a time."""

    def __init__(
        self, name: str, seed: str, ledgers: tuple[Ledger, Ledger, Ledger], urls: list[str]
    ) -> None:
        self._name = name
        self._says, self._streams, self._calls = ledgers
        self._dice = random.Random(f"{seed}/{name}")
        self._clients = cycle(
            openai.AsyncOpenAI(
                base_url=f"{url}/v1", api_key="none", timeout=ANSWER_SECONDS, max_retries=retries
            )
            for retries in (0, 1)
            for url in urls
        )
        self._urls = cycle(urls)
        self._session: aiohttp.ClientSession | None = None
        self._own = ""
        """The assistant that was created over HTTP."""
        self.stop = asyncio.Event()

    async def work(self, outstanding: int) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=READ_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            self._own = await self._patiently(self._assistant)
            await asyncio.gather(*(self._talk(slot) for slot in range(outstanding)))

    async def _talk(self, slot: int) -> None:
        number = 0
        kind = KINDS[slot % len(KINDS)]
        while not self.stop.is_set():
            thread = f"web-{self._name}-{kind}-{slot}-{number // SAYS_PER_THREAD}"
            say = self._next(thread, number % SAYS_PER_THREAD)
            await self._say(say, kind)
            number += 1

    def _next(self, thread: str, number: int) -> Say:
        invented = invent(self._dice, thread, self._name, number)
        turns = tuple(
            tuple(use._replace(tool=self._dice.choice(OF_WORKERS)) for use in turn)
            for turn in invented.turns
        )
        say = Say(thread, self._name, number, turns, invented.tokens, invented.delay)
        fields = {"producer": self._name, "key": say.key, "thread": thread}
        self._says.add("say", text=say.text, **fields)
        return say

    async def _say(self, say: Say, kind: str) -> None:
        thread_id = await self._patiently(lambda client: self._thread(client, say.thread))
        if not say.number:
            await self._add_twins(thread_id)
        run_id = await self._patiently(lambda client: self._run(client, thread_id, say, kind))
        self._says.add("run", producer=self._name, key=say.key, run=run_id)
        copy = StreamCopy()
        if kind == "cancel":
            await asyncio.sleep(self._dice.uniform(0, 1))
            await self._cancel(thread_id, run_id)
        while True:
            await self._read(thread_id, run_id, copy, by_package=kind == "handler")
            run = await self._patiently(lambda client: self._read_run(client, thread_id, run_id))
            if run.status != "requires_action":
                break
            await self._submit(run)
            copy.continue_after_outputs()
        stored = await self._patiently(lambda client: self._texts(client, thread_id, run_id))
        wrong = [*copy.differences(stored), *await self._wrong_twins(thread_id)]
        self._streams.add(
            *("streamed",), run=run_id, kind=kind, cuts=copy.cuts, entries=copy.entries, wrong=wrong
        )

    async def _read(self, thread_id: str, run_id: str, copy: StreamCopy, by_package: bool) -> None:
        """Read until the stream has ended as it must, at one gateway after the other."""
        while not copy.is_over:
            try:
                if by_package and copy.cuts:
                    await self._follow_with_package(thread_id, run_id, copy)
                else:
                    await self._follow(thread_id, run_id, copy)
            except TRY_AGAIN:
                await asyncio.sleep(PAUSE)

    async def _patiently(self, request: Callable[[openai.AsyncOpenAI], Awaitable[T]]) -> T:
        """Ask one gateway after the other until one answers."""
        while True:
            try:
                return await request(next(self._clients))
            except TRY_AGAIN:
                await asyncio.sleep(PAUSE)
            except openai.NotFoundError as error:  # no worker has published it yet
                if "assistant" not in str(error):
                    raise
                await asyncio.sleep(PAUSE)

    # ---- requests --------------------------------------------------------------------------------

    async def _assistant(self, client: openai.AsyncOpenAI) -> str:
        body: dict[str, Any] = {"tools": FUNCTIONS, "instructions": "Do as you are told."}
        headers = {"Idempotency-Key": f"assistant of {self._name}"}
        created = client.beta.assistants.create(model="gpt-5.4-mini", extra_headers=headers, **body)
        return (await created).id

    async def _thread(self, client: openai.AsyncOpenAI, key: str) -> str:
        return (await client.beta.threads.create(extra_body={"threadmill": {"key": key}})).id

    async def _run(self, client: openai.AsyncOpenAI, thread_id: str, say: Say, kind: str) -> str:
        run = await client.beta.threads.runs.create(
            thread_id=thread_id,
            assistant_id=self._own if kind == "outputs" else ASSISTANT,
            additional_messages=[{"role": "user", "content": say.text}],
            extra_headers={"Idempotency-Key": say.key},
        )
        return run.id

    async def _read_run(self, client: openai.AsyncOpenAI, thread_id: str, run_id: str) -> Run:
        return await client.beta.threads.runs.retrieve(run_id, thread_id=thread_id)

    async def _cancel(self, thread_id: str, run_id: str) -> None:
        self._says.add("cancelled", run=run_id)
        # It has ended, or an earlier request whose answer was lost has cancelled it.
        with contextlib.suppress(openai.BadRequestError):
            await self._patiently(
                lambda client: client.beta.threads.runs.cancel(run_id, thread_id=thread_id)
            )

    async def _submit(self, run: Run) -> None:
        """Execute the calls, and submit until it is known that the outputs are there."""
        assert run.required_action is not None
        calls = [call.id for call in run.required_action.submit_tool_outputs.tool_calls]
        for call in calls:
            self._calls.add("answered", call=call, tool="", attempt=0)
        outputs = [ToolOutput(tool_call_id=call, output=f"did {call}") for call in calls]
        await self._patiently(
            lambda client: client.beta.threads.runs.submit_tool_outputs(
                run.id, thread_id=run.thread_id, tool_outputs=outputs
            )
        )

    async def _add_twins(self, thread_id: str) -> None:
        """Equal messages on purpose; each is sent until it is there, and there once."""
        for number in range(TWINS):
            headers = {"Idempotency-Key": f"{thread_id} {number}"}
            await self._patiently(
                lambda client, headers=headers: client.beta.threads.messages.create(
                    thread_id, role="user", content=TWIN, extra_headers=headers
                )
            )

    async def _wrong_twins(self, thread_id: str) -> list[str]:
        async def texts(client: openai.AsyncOpenAI) -> list[str]:
            first = await client.beta.threads.messages.list(thread_id, order="asc", limit=5)
            parts = [part for message in first.data for part in message.content]
            return [part.text.value for part in parts if part.type == "text"]

        found = (await self._patiently(texts)).count(TWIN)
        return [] if found == TWINS else [f"{thread_id} has {found} of {TWINS} equal messages"]

    async def _texts(
        self, client: openai.AsyncOpenAI, thread_id: str, run_id: str
    ) -> dict[str, str]:
        found = client.beta.threads.messages.list(thread_id, run_id=run_id, order="asc")
        return {
            message.id: "".join(part.text.value for part in message.content if part.type == "text")
            async for message in found
            if message.status != "incomplete"
        }

    # ---- streams ---------------------------------------------------------------------------------

    async def _follow(self, thread_id: str, run_id: str, copy: StreamCopy) -> None:
        """Read on at the next gateway until the stream ends, in whatever way."""
        assert self._session is not None
        url = f"{next(self._urls)}{_events(thread_id, run_id)}"
        async with self._session.get(url, headers=copy.begin()) as answer:
            answer.raise_for_status()
            name, number = "", None
            async for line in answer.content:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    number = int(value)
                elif field == "data":
                    copy.add(name, number, value if name == "done" else json.loads(value))

    async def _follow_with_package(self, thread_id: str, run_id: str, copy: StreamCopy) -> None:
        """The same with a handler of the package, which enters where the run is."""
        client = next(self._clients)
        copy.enter()
        stream = client.get(
            _events(thread_id, run_id).removeprefix("/v1"),
            cast_to=object,
            stream=True,
            stream_cls=openai.AsyncStream[AssistantStreamEvent],
        )
        reader = PackageReader(copy)
        try:
            async with AsyncAssistantStreamManager(stream, event_handler=reader) as events:
                await events.until_done()
        except openai.APIStatusError:
            raise
        except openai.APIError:  # an event of a gateway that ends: follow again
            await asyncio.sleep(PAUSE)


def _events(thread_id: str, run_id: str) -> str:
    return f"/v1/threads/{thread_id}/runs/{run_id}/events"


async def main(name: str, seed: str, outstanding: str, *paths_and_urls: str) -> None:
    says, streams, calls, *urls = paths_and_urls
    ledgers = (Ledger(Path(says)), Ledger(Path(streams)), Ledger(Path(calls)))
    client = HttpClient(name, seed, ledgers, urls)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, client.stop.set)
    print("ready", flush=True)
    await client.work(int(outstanding))


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    arguments: list[Any] = sys.argv[1:]
    asyncio.run(main(*arguments))
