"""How much later the first token is here than in a direct call, on an idle fleet.

Before each call nothing happens for a second, so that what holds for a second is not known.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from functools import partial
from typing import NamedTuple

import openai
from harness.effort import Effort
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import emptied
from harness.workers import worker

from threadmill import Assistant
from threadmill.testing import StandIn

PEER = "direct call"
FIGURES = (
    Figure("first_token.p50", "first token on an idle fleet, median", "ms", (PEER,)),
    Figure("first_token.p99", "first token on an idle fleet, 99th percentile", "ms", (PEER,)),
)
LATER = Figure("first_token.later", "first token, later than in a direct call", "ms")
READABLE = Figure("first_token.readable", "from the provider's token to its event", "ms")
PATH = (
    Figure("path.stored", "from the call to its return: the run is stored", "ms"),
    Figure("path.asked", "from the call to the worker's request at the provider", "ms"),
    Figure("path.sent", "from the call to the provider's first token", "ms"),
    Figure("path.read", "from the call to the event of the first token", "ms"),
)
MESSAGE = "tokens=2 delay=0"
IDLE_SECONDS = 1.1


def measure(effort: Effort) -> list[Result]:
    """Measure both, sample by sample."""
    emptied()
    with worker(), asyncio.Runner() as runner:
        ai, client = Assistant(name="bench"), openai.AsyncOpenAI(max_retries=0)
        runner.run(_direct(client))
        pairs: list[dict[str, Values]] = []

        def one_round() -> Values:
            seen = [_sample(runner, client, ai) for _ in range(effort.samples_per_round())]
            ours, direct = [one for one, _ in seen], [one for _, one in seen]
            pairs.append({"threadmill": _percentiles(ours), PEER: _percentiles(direct)})
            return {LATER.name: statistics.median(ours) - statistics.median(direct)}

        later = alternate(effort, {"threadmill": one_round})
        runner.run(client.close())
    both = {name: [pair[name] for pair in pairs] for name in ("threadmill", PEER)}
    path = alternate(effort.limited(rounds=2), {"threadmill": partial(_path, effort)})
    return [
        *results(FIGURES, both),
        *results([LATER], later),
        *results([*PATH, READABLE], path),
    ]


def _sample(
    runner: asyncio.Runner, client: openai.AsyncOpenAI, ai: Assistant
) -> tuple[float, float]:
    time.sleep(IDLE_SECONDS)
    ours = _through_a_run(ai)
    return ours, runner.run(_direct(client))


def _through_a_run(ai: Assistant) -> float:
    begun, first = time.perf_counter(), math.nan
    for event in ai.enqueue(MESSAGE).events():
        if event.event == "thread.message.delta" and math.isnan(first):
            first = (time.perf_counter() - begun) * 1000
    return first


async def _direct(client: openai.AsyncOpenAI) -> float:
    begun, first = time.perf_counter(), math.nan
    stream = await client.responses.create(model="stand-in", input=MESSAGE, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta" and math.isnan(first):
            first = (time.perf_counter() - begun) * 1000
    return first


def _percentiles(sample: list[float]) -> Values:
    ordered = sorted(sample)
    last = min(len(ordered) - 1, round(0.99 * len(ordered)))
    return {"first_token.p50": statistics.median(ordered), "first_token.p99": ordered[last]}


def _path(effort: Effort) -> Values:
    """The provider is in this process, so that what it notes is on one clock with the rest."""
    emptied()
    with StandIn() as standin, worker(OPENAI_BASE_URL=standin.base_url):
        ai = Assistant(name="bench")
        standin.forget()
        runs = [_followed(ai) for _ in range(max(5, effort.samples // 6))]
        asked = list(standin.requests)
    steps = [
        [run.stored, record.begun_at, record.token_times[0], run.arrivals[0]]
        for run, record in zip(runs, asked, strict=True)
    ]
    medians = [
        statistics.median((at - run.begun) * 1000 for at, run in zip(column, runs, strict=True))
        for column in zip(*steps, strict=True)
    ]
    delays = [
        (arrival - sent) * 1000
        for run, record in zip(runs, asked, strict=True)
        for arrival, sent in zip(run.arrivals, record.token_times, strict=True)
    ]
    found = zip((figure.name for figure in PATH), medians, strict=True)
    return dict(found) | {READABLE.name: statistics.median(delays)}


class FollowedRun(NamedTuple):
    """When things happened, in seconds of the machine's clock."""

    begun: float
    stored: float
    arrivals: list[float]


def _followed(ai: Assistant) -> FollowedRun:
    time.sleep(IDLE_SECONDS)
    begun = time.monotonic()
    run = ai.enqueue("tokens=5 delay=0.02")
    stored = time.monotonic()
    events = run.events()
    arrivals = [time.monotonic() for event in events if event.event == "thread.message.delta"]
    return FollowedRun(begun, stored, arrivals)
