"""The floor of comparison: the SDK's own streaming loop, nothing stored."""

import asyncio
import json
import resource
import sys
import time

import openai
import psutil

WARM_UP_RUNS = 20


async def one(client: openai.AsyncOpenAI, message: str) -> str:
    text = ""
    stream = await client.responses.create(model="stand-in", input=message, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            text += event.delta
    return text


async def main(runs: int, at_once: int, message: str) -> None:
    # A thousand connections at once may take longer than the usual five seconds.
    client = openai.AsyncOpenAI(max_retries=0, timeout=openai.Timeout(600, connect=60))
    await asyncio.gather(*(one(client, "tokens=1 delay=0") for _ in range(WARM_UP_RUNS)))
    slots = asyncio.Semaphore(at_once)

    async def limited() -> None:
        async with slots:
            await one(client, message)

    used, begun = cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(limited() for _ in range(runs)))
    seconds = time.perf_counter() - begun
    found = {
        "cpu": cpu_seconds() - used,
        "seconds": seconds,
        "memory": psutil.Process().memory_full_info().pss / 1e6,
    }
    print(json.dumps(found))
    await client.close()


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
