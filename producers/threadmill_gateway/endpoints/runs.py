"""Calls on runs."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, page
from threadmill_gateway.bodies.query import ListQuery
from threadmill_gateway.bodies.runs import RunBody, RunOptions, ToolOutputsBody
from threadmill_gateway.endpoints.assistants import load
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.definitions import functions, hosted
from threadmill_gateway.endpoints.extensions import context_of, when_busy_of
from threadmill_gateway.endpoints.known_ids import known_cursor
from threadmill_gateway.endpoints.polling import (
    POLL_AFTER,
    is_settled,
    wait_seconds,
    wait_until_settled,
)
from threadmill_gateway.endpoints.streams import stream_run
from threadmill_gateway.objects import runs as objects
from threadmill_gateway.streams.response import StreamResponse
from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.records.thread import ThreadRef
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.store.parked_runs import CallOutcome

_OPTIONS = (
    *("metadata", "temperature", "top_p", "max_prompt_tokens", "max_completion_tokens"),
    *("truncation_strategy", "tool_choice", "parallel_tool_calls", "response_format"),
    "reasoning_effort",
)


async def create_run(request: Request) -> Response | StreamResponse:
    """Run an assistant on a thread."""
    call = Call(request)
    body = await call.body(RunBody)
    thread_id, thread = await call.thread()
    definition = await load(call, body.assistant_id)
    wanted = RunRequest(
        definition=_with_overrides(definition, body),
        message=None,
        names_model=body.model is not None,
        thread=ThreadRef(thread.id, create=False),
        when_busy=when_busy_of(call, body.threadmill),
        context=context_of(call, body.threadmill),
        instructions=body.instructions,
        additional_instructions=body.additional_instructions,
        options=_options(body),
    )
    new = enqueue_command(wanted, call.gateway.settings)
    try:
        enqueued = await call.connections.enqueue(new)
    except errors.ThreadLocked as error:
        raise refusals.thread_has_active_run(thread_id, error.run_id) from None
    if body.stream:
        return await stream_run(call, enqueued.run_id, thread_id)
    return answer(await _shown(call, enqueued.run_id, thread_id))


async def list_runs(request: Request) -> Response:
    """A page of a thread's runs."""
    call = Call(request)
    query = call.query(ListQuery)
    thread_id, record = await call.thread()
    with known_cursor(query):
        found = await call.store.run_pages.runs(record.id, query.page())
    data = [await _object(call, one, thread_id) for one in found.data]
    return page(data, has_more=found.has_more)


async def get_run(request: Request) -> Response:
    """A run; who polls is answered when something has changed, or after a while."""
    call = Call(request)
    thread_id, record = await call.run()
    seconds = wait_seconds(request.headers)
    if seconds and not is_settled(record):
        record = await wait_until_settled(call, record, seconds)
    headers = {} if is_settled(record) else POLL_AFTER
    return answer(await _object(call, record, thread_id), headers)


async def cancel_run(request: Request) -> Response:
    """Cancel a run."""
    call = Call(request)
    thread_id, record = await call.run()
    if record.status.is_terminal or record.status is Status.CANCELLING:
        raise refusals.run_cannot_be_cancelled(record.status)
    await call.connections.cancel(record.id)
    return answer(await _shown(call, record.id, thread_id))


async def submit_tool_outputs(request: Request) -> Response | StreamResponse:
    """Give the outputs of all calls that wait."""
    call = Call(request)
    body = await call.body(ToolOutputsBody)
    thread_id, record = await call.run()
    outputs = body.outputs()
    given = [id for id, _ in outputs]
    if len(set(given)) < len(given):
        raise refusals.outputs_given_twice(given)
    if record.status is not Status.REQUIRES_ACTION:
        raise refusals.run_takes_no_outputs(record.status)
    parked = await call.store.parked_runs.calls(record.id)
    expected = [one.id for one in parked if one.waits_for == "output"]
    if set(expected) != set(given):
        raise refusals.outputs_do_not_fit(expected, given)
    for id, output in outputs:
        await call.connections.submit(record.id, id, CallOutcome(output))
    if body.stream:
        return await stream_run(call, record.id, thread_id, after=record.events)
    return answer(await _shown(call, record.id, thread_id))


async def _shown(call: Call, run_id: str, thread_id: str) -> dict[str, Any]:
    record = await call.store.runs.record(run_id)
    if record is None:
        raise refusals.not_found("run", run_id)
    return await _object(call, record, thread_id)


async def _object(call: Call, record: RunRecord, thread_id: str) -> dict[str, Any]:
    is_parked = record.status is Status.REQUIRES_ACTION
    parked = await call.store.parked_runs.calls(record.id) if is_parked else []
    return objects.run(record, parked, thread_id)


def _with_overrides(definition: Definition, body: RunOptions) -> Definition:
    """The assistant as this run uses it."""
    changed: dict[str, Any] = {}
    if body.model is not None:
        changed["model"] = body.model
    if body.tools is not None:
        changed |= {"tools": functions(body.tools), "hosted": hosted(body.tools, {})}
    return definition.model_copy(update=changed) if changed else definition


def _options(body: RunOptions) -> dict[str, Any]:
    given = body.model_dump(include=set(_OPTIONS), exclude_none=True, by_alias=True)
    return {name: value for name, value in given.items() if value not in ("auto", {"type": "auto"})}
