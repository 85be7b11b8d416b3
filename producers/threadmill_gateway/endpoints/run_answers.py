"""Runs as they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.extensions import wants_approvals
from threadmill_gateway.objects import runs as objects
from threadmill_shared.records.run import RunRecord, Status


async def run_answer(call: Call, run_id: str, thread_id: str) -> Response:
    """The answer with a run as it is now.

    Raises:
        ApiError: its thread was deleted meanwhile.
    """
    record = await call.store.runs.record(run_id)
    if record is None:
        raise refusals.not_found("run", run_id)
    return await record_answer(call, record, thread_id)


async def record_answer(
    call: Call, record: RunRecord, thread_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer with a run as its record is."""
    return answer(await run_object(call, record, thread_id), headers)


async def run_object(call: Call, record: RunRecord, thread_id: str) -> dict[str, Any]:
    """The run's object, with the calls that wait for outputs."""
    is_parked = record.status is Status.REQUIRES_ACTION
    parked = await call.store.parked_runs.calls(record.id) if is_parked else []
    return objects.run(record, parked, thread_id, has_approvals=wants_approvals(call))
