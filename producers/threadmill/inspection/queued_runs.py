"""Why a queued run does not move: its thread is busy, or no worker takes it."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.inspection.standstill import Standstill
from threadmill.inspection.surroundings import Surroundings
from threadmill.inspection.workers import WorkerView
from threadmill_shared.broker.queues import Queues
from threadmill_shared.log_text import counted

UNCLAIMED_SECONDS = 10.0
"""A worker with a free slot claims a run much sooner."""


def find_why_in_line(around: Surroundings, head: Standstill | None) -> Standstill:
    """Say why a run waits in its thread's line.

    Args:
        around: the run.
        head: why the run that holds the thread does not move; None: it moves.
    """
    holder, *others = around.ahead
    more = f", with {counted(len(others), 'more run')} before it" if others else ""
    why = f" That run does not move either: {head.reason}" if head else ""
    return Standstill(
        kind="behind",
        reason=f"It waits in line for its thread, which {holder} holds{more}.{why}",
        cure=head.cure if head else f"Wait, or look what that one does: threadmill show {holder}",
        seconds=around.seconds_since(around.record.created_at / 1000),
    )


def find_why_unclaimed(around: Surroundings) -> Standstill:
    """Say why no worker executes a run that is at its thread's head."""
    waits = around.seconds_queued
    consumers = around.consumers
    if not around.living:
        return _without_workers(around, waits)
    if not consumers:
        find = _without_successor if around.stopping else _unconsumed
        return find(around, waits)
    if waits is not None and waits < 0:
        return _pausing(around, -waits)
    answering = [one for one in consumers if one.condition != "blocked"]
    if not answering:
        return Standstill(
            kind="workers_blocked",
            reason=f"The event loops of all workers of its queue {around.queue} do not answer.",
            cure="They end by themselves after 30 s; their logs name the tool that blocks them.",
            seconds=waits,
        )
    if all(one.is_full for one in answering):
        return _without_slot(answering, len(consumers) - len(answering), waits)
    return _unclaimed(around, waits)


def _pausing(around: Surroundings, left: float) -> Standstill:
    return Standstill(
        kind="pausing",
        reason=f"It is sent again in {left:.0f} s, after a pause, because its workers have died in"
        " it.",
        cure="Wait; if it goes on so, look at the tool that it was calling",
        seconds=around.seconds_since_event,
    )


def _without_workers(around: Surroundings, waits: float | None) -> Standstill:
    return Standstill(
        kind="no_worker",
        reason=f"No worker is alive in the namespace {around.namespace}.",
        cure="Start one: threadmill worker MODULE",
        seconds=waits,
    )


def _without_successor(around: Surroundings, waits: float | None) -> Standstill:
    names = ", ".join(one.worker for one in around.stopping)
    return Standstill(
        kind="workers_stopping",
        reason=f"All workers of its queue {around.queue} were told to end, and take no more runs:"
        f" {names}.",
        cure="Wait if others are being started; otherwise start one: threadmill worker MODULE",
        seconds=waits,
    )


def _unconsumed(around: Surroundings, waits: float | None) -> Standstill:
    queues, queue = Queues(around.namespace), around.record.queue
    name = queue.removeprefix(f"{around.namespace}.")
    if queues.is_embedded(queue):
        cure = "It was enqueued by a script with a worker of its own: run a script there again"
    elif queue == queues.common:
        cure = "Start a worker without --queue: threadmill worker MODULE"
    else:
        cure = f"Start one that does: threadmill worker --queue {name} MODULE"
    return Standstill(
        kind="queue_not_consumed",
        reason=f"No live worker takes runs from its queue {around.queue}.",
        cure=cure,
        seconds=waits,
    )


def _without_slot(answering: Sequence[WorkerView], blocked: int, waits: float | None) -> Standstill:
    slots = sum(one.slots or 0 for one in answering)
    workers = counted(len(answering), "worker")
    others = f"; the event loops of {blocked} more do not answer" if blocked else ""
    return Standstill(
        kind="no_slot",
        reason=f"All {counted(slots, 'slot')} of the {workers} of its queue are taken{others}.",
        cure="Wait, start more workers, or raise THREADMILL_CONCURRENCY",
        seconds=waits,
    )


def _unclaimed(around: Surroundings, waits: float | None) -> Standstill:
    if waits is None or waits > UNCLAIMED_SECONDS:
        return Standstill(
            kind="unclaimed",
            reason="Workers of its queue have free slots, but none of them has taken it.",
            cure="See whether the broker answers (threadmill status); a worker sends it again if"
            " its message is lost",
            seconds=waits,
        )
    return Standstill(
        kind="sent",
        reason=f"It was sent to the queue {around.queue}, and a worker takes it next.",
        cure="Wait",
        seconds=waits,
    )
