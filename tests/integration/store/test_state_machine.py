"""The scripts in random order, with repeated, stale and lost calls, against a model in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from tests.support.servers.programs import KINDS
from tests.support.state_machine.commands import OUTCOMES
from tests.support.state_machine.driver import NAMESPACE, Counts
from tests.support.state_machine.machine import BUCKETS, run
from tests.support.state_machine.server import Server

AT_LEAST = 20
MOVES = (
    "new -> dispatched",
    "new -> waiting",
    "waiting -> dispatched",
    "waiting -> cancelled",
    "dispatched -> in_progress",
    "waiting -> expired",
    "dispatched -> cancelled",
    "dispatched -> expired",
    "in_progress -> dispatched",
    "in_progress -> cancelling",
    "in_progress -> completed",
    "in_progress -> failed",
    "in_progress -> cancelled",
    "in_progress -> incomplete",
    "in_progress -> expired",
    "cancelling -> cancelled",
    "in_progress -> parked",
    "parked -> dispatched",
    "parked -> cancelled",
    "parked -> failed",
    "parked -> expired",
)

ROUNDS = 8
"""One more is played while something was not seen often enough; two are the rule."""
EXAMPLES = 75
EXAMPLES_ELSEWHERE = 15
"""On further kinds of servers: scripts that mean something else there show soon, and at once."""
ROUND = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def server(redis_url: str) -> Iterator[Server]:
    server = Server(redis_url, NAMESPACE, BUCKETS)
    yield server
    server.close()


@pytest.mark.timeout(600)
def test_the_store_does_what_its_model_does_whatever_is_sent_in_whatever_order(
    server: Server, server_kind: str, report: Callable[[str], None]
) -> None:
    counts = Counts()
    if server_kind != KINDS[0]:
        run(server, counts, settings(ROUND, max_examples=EXAMPLES_ELSEWHERE))
        return
    try:
        for number in range(ROUNDS):
            run(server, counts, ROUND, number=number)
            if not rare(counts):
                break
    finally:
        report(table(counts))
    assert not rare(counts), f"taken less than {AT_LEAST} times"
    assert set(counts.moves) == set(MOVES)


def rare(counts: Counts) -> dict[str, int]:
    """What was not taken often enough to be called tested."""
    return {name: count for name, count in counted(counts).items() if count < AT_LEAST}


def counted(counts: Counts) -> dict[str, int]:
    """How often each outcome and each transition was taken, those included that never were."""
    outcomes = {
        f"{script}: {word}": counts.outcomes[script, word]
        for script, every_word in OUTCOMES.items()
        for word in every_word.split()
    }
    return outcomes | {move: counts.moves[move] for move in MOVES}


def table(counts: Counts) -> str:
    rows = [f"{count:6d}  {name}" for name, count in counted(counts).items()]
    half = (len(rows) + 1) // 2
    left, right = rows[:half], [*rows[half:], ""]
    lines = [f"{a:<40}{b}" for a, b in zip(left, right, strict=False)]
    title = f"state machine: {counts.calls} calls in {counts.examples} examples"
    return "\n".join([title, *lines])
