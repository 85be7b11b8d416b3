"""Polling a run: who asks for it again and again is answered late instead, once it has got on.

SDKs say that their helpers poll, and wait as long as they are told between two requests. So a
program that polls gets its answer as soon as one that streams.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.endpoints.call import Call
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.records.stored_run import StoredRun

MOST_SECONDS = 20.0
"""For which an answer is kept back; proxies close what is silent for 30 or 60."""
POLL_AFTER = {"openai-poll-after-ms": "200"}
"""After which a poll's next request comes."""

_WAIT = re.compile(r"\bwait=(\d{1,4})\b")


def wait_seconds(headers: Mapping[str, str]) -> float:
    """How long an answer may be kept back; 0: not at all."""
    if headers.get("x-stainless-poll-helper") == "true":
        return min(MOST_SECONDS, _timeout(headers) / 2)
    wanted = _WAIT.search(headers.get("prefer", ""))
    return min(MOST_SECONDS, float(wanted[1])) if wanted else 0.0


def _timeout(headers: Mapping[str, str]) -> float:
    """After which the client gives up, as far as it says so."""
    given = headers.get("x-stainless-read-timeout") or headers.get("x-stainless-timeout") or ""
    try:
        return max(0.0, float(given))
    except ValueError:
        return 2 * MOST_SECONDS


def is_settled(run: RunRecord | StoredRun) -> bool:
    """Whether the client has something to do: the run has ended, or waits for outputs."""
    status = run.status
    return status.is_terminal or status is Status.REQUIRES_ACTION


async def wait_until_settled(call: Call, record: RunRecord, seconds: float) -> RunRecord:
    """The run once it is settled, or as it is after these seconds."""
    try:
        call.gateway.streams.take()
    except ApiError:  # as many wait as may; this one polls
        return record
    call.exchange.give_slot_back()
    try:
        async with asyncio.timeout(seconds):
            return await call.connections.log_follower.wait_for(
                record.id, lambda now: is_settled(now) or call.gateway.is_ending
            )
    except TimeoutError:
        return await call.store.runs.record(record.id) or record
    finally:
        call.gateway.streams.give_back()
