"""Calls on runs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, page
from threadmill_gateway.bodies.messages import MetadataChanges
from threadmill_gateway.bodies.query import ListQuery
from threadmill_gateway.bodies.runs import ToolOutputsBody, is_streamed
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.client_requests import tries_of
from threadmill_gateway.endpoints.known_ids import known_cursor
from threadmill_gateway.endpoints.polling import (
    POLL_AFTER,
    is_settled,
    wait_seconds,
    wait_until_settled,
)
from threadmill_gateway.endpoints.run_answers import record_answer, run_answer, run_object
from threadmill_gateway.endpoints.streams import stream_run, stream_slot
from threadmill_gateway.endpoints.submissions import find_submission
from threadmill_gateway.objects import stored_runs
from threadmill_gateway.streams.response import StreamResponse
from threadmill_shared import errors
from threadmill_shared.records.run import RunRecord, Status


async def list_runs(request: Request) -> Response:
    """A page of a thread's runs."""
    call = Call(request)
    query = call.query(ListQuery)
    thread_id, record = await call.thread()
    with known_cursor(query):
        found = await call.store.run_pages.runs(record.id, query.page())
    data = [await run_object(call, one, thread_id) for one in found.data]
    return page(data, has_more=found.has_more)


async def get_run(request: Request) -> Response:
    """A run; who polls is answered when something has changed, or after a while."""
    call = Call(request)
    thread_id, stored = await call.stored_run()
    seconds = wait_seconds(call.exchange.headers)
    if seconds and not is_settled(stored):
        record = await wait_until_settled(call, stored.read(), seconds)
    elif found := stored_runs.plain(stored, thread_id):
        return answer(found, {} if is_settled(stored) else POLL_AFTER)
    else:
        record = stored.read()
    return await record_answer(call, record, thread_id, {} if is_settled(record) else POLL_AFTER)


async def change_run(request: Request) -> Response:
    """Replace a run's metadata."""
    call = Call(request)
    body = await call.body(MetadataChanges)
    thread_id, record = await call.run()
    if body.metadata is not None:
        await call.store.runs.set_metadata(record.id, body.metadata)
    return await run_answer(call, record.id, thread_id)


async def cancel_run(request: Request) -> Response:
    """Cancel a run."""
    call = Call(request)
    thread_id, record = await call.run()
    is_cancelled = record.status in (Status.CANCELLING, Status.CANCELLED)
    if is_cancelled and tries_of(call):
        return await record_answer(call, record, thread_id)
    if record.status.is_terminal or is_cancelled:
        raise refusals.run_cannot_be_cancelled(record.status)
    await call.connections.cancel(record.id)
    return await run_answer(call, record.id, thread_id)


async def submit_tool_outputs(request: Request) -> Response | StreamResponse:
    """Give the outputs of all calls that wait: all of them or none."""
    call = Call(request)
    body = await call.body(ToolOutputsBody)
    thread_id, record = await call.run()
    with stream_slot(call, is_wanted=is_streamed(body)):
        is_first = await _submit(call, record, body)
        if not body.stream:
            return await run_answer(call, record.id, thread_id)
        given = [id for id, _ in body.outputs()]
        after = record.events if is_first else await find_submission(call, record, given)
        return await stream_run(call, record.id, thread_id, after=after)


async def _submit(call: Call, record: RunRecord, body: ToolOutputsBody) -> bool:
    """Submit the outputs, all or none; False: an earlier request has submitted the same.

    Raises:
        ApiError: they are not those of the calls that wait.
    """
    try:
        return await call.connections.submit_all(record.id, body.outputs())
    except errors.WrongOutputs as error:
        if len(set(error.given)) < len(error.given):
            raise refusals.outputs_given_twice(error.given) from None
        raise refusals.outputs_do_not_fit(error.expected, error.given) from None
    except errors.NotWaiting as error:
        raise refusals.run_takes_no_outputs(error.status) from None
    except (errors.OutputMismatch, errors.CallTaken):  # somebody else has answered, or does
        raise refusals.run_takes_no_outputs(record.status) from None
