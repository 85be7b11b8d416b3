"""Outputs that were submitted before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from threadmill_gateway.endpoints.call import Call
from threadmill_shared.events.decoder import Event
from threadmill_shared.records.run import RunRecord

_PARKED = "thread.run.requires_action"


async def find_submission(call: Call, record: RunRecord, call_ids: Sequence[str]) -> int:
    """Number of the event behind which the outputs of these calls came.

    Raises:
        ThreadmillError: the events cannot be read.
    """
    found = 0
    async with aclosing(call.connections.log_follower.follow(record.id)) as groups:
        async for group in groups:
            for event in group:
                if event.event == _PARKED and not set(call_ids).isdisjoint(_calls_of(event)):
                    found = event.id
            if group and group[-1].id >= record.events:
                break
    return found


def _calls_of(event: Event) -> list[str]:
    calls = event.data["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [one["id"] for one in calls]
