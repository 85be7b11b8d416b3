"""Decisions about calls that wait for an approval, which OpenAI's API does not have."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.approvals import ApprovalBody, RejectionBody
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.run_answers import run_answer
from threadmill_shared import errors


async def approve_call(request: Request) -> Response:
    """Let a worker execute a call that waits for an approval."""
    call = Call(request)
    body = await call.body(ApprovalBody)
    thread_id, record = await call.run()
    await _decide(call.connections.approve(record.id, body.tool_call_id), body.tool_call_id)
    return await run_answer(call, record.id, thread_id)


async def reject_call(request: Request) -> Response:
    """Have a call that waits for an approval not executed; the model is told so."""
    call = Call(request)
    body = await call.body(RejectionBody)
    thread_id, record = await call.run()
    most = call.gateway.settings.max_message_bytes
    if body.reason is not None and (size := len(body.reason.encode())) > most:
        raise refusals.reason_is_too_long(size, most)
    decision = call.connections.reject(record.id, body.tool_call_id, body.reason)
    await _decide(decision, body.tool_call_id)
    return await run_answer(call, record.id, thread_id)


async def _decide(decision: Awaitable[None], call_id: str) -> None:
    try:
        await decision
    except (errors.NotWaiting, errors.CallTaken):
        raise refusals.call_waits_for_no_approval(call_id) from None
    except errors.OutputMismatch:
        raise refusals.call_was_decided(call_id) from None
