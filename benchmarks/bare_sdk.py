"""The floor of comparison: the SDK's own streaming loop, nothing stored."""

import asyncio
import json
import resource
import sys
import time

import openai


async def one(client: openai.AsyncOpenAI, message: str) -> float:
    begun, first = time.perf_counter(), 0.0
    stream = await client.responses.create(model="stand-in", input=message, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta" and not first:
            first = time.perf_counter() - begun
    return first


async def main(runs: int, at_once: int, message: str) -> None:
    client = openai.AsyncOpenAI(max_retries=0)
    await one(client, "tokens=1 delay=0")
    slots = asyncio.Semaphore(at_once)

    async def limited() -> float:
        async with slots:
            return await one(client, message)

    used, begun = cpu_seconds(), time.perf_counter()
    first = sorted(await asyncio.gather(*(limited() for _ in range(runs))))
    seconds = time.perf_counter() - begun
    found = {
        "cpu": cpu_seconds() - used,
        "seconds": seconds,
        "first": first[len(first) // 2] * 1000,
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    print(json.dumps(found))
    await client.close()


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
