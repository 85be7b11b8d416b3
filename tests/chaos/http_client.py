"""A program that says things over HTTP, and goes on reading wherever a stream was cut.

    python -m tests.chaos.http_client NAME SEED OUTSTANDING SAYS STREAMS URL...

What it cannot know the outcome of, it sends again with the same key, to the next gateway. On
SIGTERM it ends what it has begun.
"""

from __future__ import annotations

import asyncio
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
import openai
from tests.chaos.ledger import Ledger
from tests.chaos.says import Say, invent
from tests.chaos.stream_copy import StreamCopy

ASSISTANT = "chaotic"
OF_WORKERS = ("pay", "note", "fetch")
"""Tools that this assistant has; those of producers cannot be given over HTTP."""
SAYS_PER_THREAD = 10
PAUSE = 0.2
READ_SECONDS = 25.0
"""A silent stream has a comment every 15 s."""
TRY_AGAIN = (
    *(openai.APIConnectionError, openai.InternalServerError),
    *(openai.RateLimitError, openai.ConflictError),
    *(aiohttp.ClientError, TimeoutError),
)

T = TypeVar("T")


class HttpClient:
    """Talks on several threads at a time."""

    def __init__(
        self, name: str, seed: str, says: Ledger, streams: Ledger, urls: list[str]
    ) -> None:
        self._name, self._says, self._streams = name, says, streams
        self._dice = random.Random(f"{seed}/{name}")
        self._clients = cycle(
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=5, max_retries=1)
            for url in urls
        )
        self._urls = cycle(urls)
        self._session: aiohttp.ClientSession | None = None
        self.stop = asyncio.Event()

    async def work(self, outstanding: int) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=READ_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            await asyncio.gather(*(self._talk(slot) for slot in range(outstanding)))

    async def _talk(self, slot: int) -> None:
        number = 0
        while not self.stop.is_set():
            thread = f"web-{self._name}-{slot}-{number // SAYS_PER_THREAD}"
            say = self._next(thread, number % SAYS_PER_THREAD)
            await self._say(say)
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

    async def _say(self, say: Say) -> None:
        thread_id = await self._patiently(lambda client: self._thread(client, say.thread))
        run_id = await self._patiently(lambda client: self._run(client, thread_id, say))
        self._says.add("run", producer=self._name, key=say.key, run=run_id)
        copy = StreamCopy()
        while not copy.is_over:
            try:
                await self._follow(thread_id, run_id, copy)
            except TRY_AGAIN:
                await asyncio.sleep(PAUSE)
        stored = await self._patiently(lambda client: self._texts(client, thread_id, run_id))
        wrong = list(copy.differences(stored))
        self._streams.add("streamed", run=run_id, cuts=copy.cuts, entries=copy.entries, wrong=wrong)

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

    async def _thread(self, client: openai.AsyncOpenAI, key: str) -> str:
        return (await client.beta.threads.create(extra_body={"threadmill": {"key": key}})).id

    async def _run(self, client: openai.AsyncOpenAI, thread_id: str, say: Say) -> str:
        run = await client.beta.threads.runs.create(
            thread_id=thread_id,
            assistant_id=ASSISTANT,
            additional_messages=[{"role": "user", "content": say.text}],
            extra_headers={"Idempotency-Key": say.key},
        )
        return run.id

    async def _texts(
        self, client: openai.AsyncOpenAI, thread_id: str, run_id: str
    ) -> dict[str, str]:
        found = client.beta.threads.messages.list(thread_id, run_id=run_id, order="asc")
        return {
            message.id: "".join(part.text.value for part in message.content if part.type == "text")
            async for message in found
        }

    async def _follow(self, thread_id: str, run_id: str, copy: StreamCopy) -> None:
        """Read on at the next gateway until the stream ends, in whatever way."""
        assert self._session is not None
        url = f"{next(self._urls)}/v1/threads/{thread_id}/runs/{run_id}/events"
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


async def main(name: str, seed: str, outstanding: str, says: str, streams: str, *urls: str) -> None:
    client = HttpClient(name, seed, Ledger(Path(says)), Ledger(Path(streams)), list(urls))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, client.stop.set)
    print("ready", flush=True)
    await client.work(int(outstanding))


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    arguments: list[Any] = sys.argv[1:]
    asyncio.run(main(*arguments))
