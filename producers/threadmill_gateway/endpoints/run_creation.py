"""Calls that create runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.runs import RunBody, RunOptions, ThreadAndRunBody, is_streamed
from threadmill_gateway.bodies.threads import ThreadOfRun
from threadmill_gateway.bodies.tools import ToolResources
from threadmill_gateway.endpoints.assistants import load
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.client_requests import (
    bucket_of_request,
    client_request,
    key_in,
    note_created,
)
from threadmill_gateway.endpoints.definitions import functions, hosted, resources_of, with_resources
from threadmill_gateway.endpoints.extensions import context_of, new_thread, when_busy_of
from threadmill_gateway.endpoints.items import new_messages
from threadmill_gateway.endpoints.run_answers import run_answer
from threadmill_gateway.endpoints.streams import stream_run, stream_slot
from threadmill_gateway.objects import threads as thread_objects
from threadmill_gateway.streams.response import StreamResponse
from threadmill_shared import errors
from threadmill_shared.records.changes import Enqueued
from threadmill_shared.records.client_request import ClientRequest, Created
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.thread import ThreadRef
from threadmill_shared.run_request import RunRequest, enqueue_command

_OPTIONS = (
    *("metadata", "temperature", "top_p", "max_prompt_tokens", "max_completion_tokens"),
    *("truncation_strategy", "tool_choice", "parallel_tool_calls", "response_format"),
    "reasoning_effort",
)


async def create_run(request: Request) -> Response | StreamResponse:
    """Run an assistant on a thread, to which messages may be added before."""
    call = Call(request)
    body = await call.body(RunBody)
    thread_id, thread = await call.thread()
    wanted = RunRequest(
        definition=await _definition(call, body),
        message=None,
        names_model=body.model is not None,
        thread=ThreadRef(thread.id, create=False),
        when_busy=when_busy_of(call, body.threadmill),
        context=context_of(call, body.threadmill),
        instructions=body.instructions,
        additional_instructions=body.additional_instructions,
        additional=await new_messages(call, body.additional_messages),
        options=_options(body),
    )
    asked = await client_request(call, key_in(body.threadmill))
    with stream_slot(call, is_wanted=is_streamed(body)):
        enqueued = await _enqueue(call, wanted, asked, thread_id)
        if body.stream:
            return await stream_run(call, enqueued.run_id, thread_id)
        return await run_answer(call, enqueued.run_id, thread_id)


async def create_thread_and_run(request: Request) -> Response | StreamResponse:
    """Create a thread with messages, and run an assistant on it: both or neither."""
    call = Call(request)
    body = await call.body(ThreadAndRunBody)
    made = body.thread or ThreadOfRun()
    key = None if body.threadmill is None else body.threadmill.key
    asked = await client_request(call, key_in(body.threadmill))
    resources = resources_of(made.tool_resources)
    thread = new_thread(call, key, made.metadata, resources, bucket=bucket_of_request(asked))
    wanted = RunRequest(
        definition=await _definition(call, body, body.tool_resources),
        message=None,
        names_model=body.model is not None,
        thread=thread,
        when_busy=when_busy_of(call, body.threadmill),
        context=context_of(call, body.threadmill),
        instructions=body.instructions,
        additional=await new_messages(call, made.messages),
        options=_options(body),
    )
    with stream_slot(call, is_wanted=is_streamed(body)):
        enqueued = await _enqueue(call, wanted, asked, thread.id)
        thread_id = await _thread_of(call, enqueued, thread)
        if not body.stream:
            return await run_answer(call, enqueued.run_id, thread_id)
        created = thread_objects.new_thread(
            thread_id, enqueued.created_at, made.metadata or {}, resources
        )
        first = [("thread.created", created)]
        return await stream_run(call, enqueued.run_id, thread_id, first=first)


async def _enqueue(
    call: Call, wanted: RunRequest, asked: ClientRequest, thread_id: str
) -> Enqueued:
    """Create the run, or find the one that an earlier try of the request has created.

    Raises:
        ApiError: the thread, as the client knows it, has an active run, which is another one.
    """
    new = replace(enqueue_command(wanted, call.gateway.settings), client_request=asked)
    try:
        enqueued = await call.connections.enqueue(new)
    except errors.ThreadLocked as error:
        raise refusals.thread_has_active_run(thread_id, error.run_id) from None
    created = Created(enqueued.run_id, str(enqueued.created_at), made=new.run_id)
    note_created(call, asked, new.thread_id, created)
    return enqueued


async def _thread_of(call: Call, enqueued: Enqueued, thread: ThreadRef) -> str:
    """The run's thread; an earlier try of the request may have created that one, too."""
    if enqueued.created:
        return thread.id
    found, _ = await call.store.runs.thread_and_parent(enqueued.run_id)
    return thread.id if found is None else found


async def _definition(
    call: Call, body: RunOptions, of_run: ToolResources | None = None
) -> Definition:
    """The assistant as this run uses it; what its thread has for tools, the worker adds.

    Raises:
        ApiError: there is no such assistant.
        BadTool: a tool is not valid.
    """
    definition = await load(call, body.assistant_id)
    changed: dict[str, Any] = {}
    if body.model is not None:
        changed["model"] = body.model
    if body.tools is not None:
        changed |= {"tools": functions(body.tools), "hosted": hosted(body.tools, {})}
    if of_run is not None:
        tools = changed.get("hosted", definition.hosted)
        changed["hosted"] = with_resources(tools, resources_of(of_run))
    return definition.model_copy(update=changed) if changed else definition


def _options(body: RunOptions) -> dict[str, Any]:
    """The options of the run that differ from what is done without them."""
    given = body.model_dump(include=set(_OPTIONS), exclude_none=True, by_alias=True)
    return {name: value for name, value in given.items() if value not in ("auto", {"type": "auto"})}
