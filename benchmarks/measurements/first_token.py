"""How much later the first token is here than in a direct call, on an idle fleet.

Before each pair of calls nothing happens for a second, so that what holds for a second is not
known. Which of both comes first alternates. The percentile is that of the calls of all rounds.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from functools import partial
from itertools import chain
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
MEDIAN = Figure("first_token.p50", "first token on an idle fleet, median", "ms", (PEER,))
LATE = Figure("first_token.p99", "first token on an idle fleet, 99th percentile", "ms", (PEER,))
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


class Sample(NamedTuple):
    """Milliseconds until the first token, of a call of each kind."""

    ours: float
    direct: float


def measure(effort: Effort) -> list[Result]:
    """Measure both, sample by sample."""
    emptied()
    with worker(), asyncio.Runner() as runner:
        ai, client = Assistant(name="bench"), openai.AsyncOpenAI(max_retries=0)
        runner.run(_direct(client))
        rounds = [
            [_sample(runner, client, ai, number) for number in range(effort.samples_per_round())]
            for _ in range(effort.rounds)
        ]
        runner.run(client.close())
    path = alternate(effort.limited(rounds=2), {"threadmill": partial(_path, effort)})
    return [*first_tokens(rounds), *results([*PATH, READABLE], path)]


def first_tokens(rounds: Sequence[Sequence[Sample]]) -> list[Result]:
    """The figures of these samples: a median for each round, and a percentile of all."""
    medians = [[statistics.median(calls) for calls in zip(*one, strict=True)] for one in rounds]
    late = [percentile(calls, 0.99) for calls in zip(*chain(*rounds), strict=True)]
    return [
        *results([MEDIAN], _pairs(MEDIAN, medians)),
        *results([LATE], _pairs(LATE, [late])),
        *results(
            [LATER], {"threadmill": [{LATER.name: ours - direct} for ours, direct in medians]}
        ),
    ]


def percentile(sample: Sequence[float], share: float) -> float:
    """The least value that so large a share of the sample does not exceed."""
    return sorted(sample)[math.ceil(share * len(sample)) - 1]


def _pairs(figure: Figure, values: Sequence[Sequence[float]]) -> dict[str, list[Values]]:
    return {
        name: [{figure.name: pair[place]} for pair in values]
        for place, name in enumerate(("threadmill", PEER))
    }


def _sample(
    runner: asyncio.Runner, client: openai.AsyncOpenAI, ai: Assistant, number: int
) -> Sample:
    time.sleep(IDLE_SECONDS)
    if number % 2:
        direct = runner.run(_direct(client))
        return Sample(_through_a_run(ai), direct)
    return Sample(_through_a_run(ai), runner.run(_direct(client)))


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
