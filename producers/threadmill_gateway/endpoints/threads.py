"""Calls on threads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.answers.responses import answer, deleted
from threadmill_gateway.bodies.threads import ThreadBody, ThreadChanges
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.client_requests import (
    bucket_of_request,
    client_request,
    key_in,
    note_created,
    tries_of,
)
from threadmill_gateway.endpoints.definitions import resources_of
from threadmill_gateway.endpoints.extensions import new_thread
from threadmill_gateway.endpoints.items import all_attached, new_messages
from threadmill_gateway.objects import threads as objects
from threadmill_shared import errors


async def create_thread(request: Request) -> Response:
    """Create a thread, with messages."""
    call = Call(request)
    body = await call.body(ThreadBody)
    key = None if body.threadmill is None else body.threadmill.key
    asked = await client_request(call, key_in(body.threadmill))
    resources = resources_of(body.tool_resources)
    new = new_thread(call, key, body.metadata, bucket=bucket_of_request(asked))
    messages = await new_messages(call, body.messages)
    created = await call.store.threads.add(
        new.id,
        [(one.item["id"], one.item) for one in messages],
        create=True,
        attached=all_attached(messages),
        metadata=new.metadata,
        tool_resources=resources,
        key=key,
        request=asked,
    )
    note_created(call, asked, created.id, created)
    if key is not None and (known := await call.store.threads.record(new.id)) is not None:
        return answer(objects.thread(known, new.id))
    return answer(objects.new_thread(created.id, int(created.at), body.metadata or {}, resources))


async def get_thread(request: Request) -> Response:
    """A thread."""
    thread_id, record = await Call(request).thread()
    return answer(objects.thread(record, thread_id))


async def change_thread(request: Request) -> Response:
    """Change a thread's metadata and tool resources; what is left out stays as it is."""
    call = Call(request)
    body = await call.body(ThreadChanges)
    thread_id, record = await call.thread()
    resources = None if body.tool_resources is None else resources_of(body.tool_resources)
    try:
        await call.store.threads.update(record.id, metadata=body.metadata, tool_resources=resources)
    except errors.ThreadNotFound:
        raise refusals.not_found("thread", thread_id) from None
    thread_id, record = await call.thread()
    return answer(objects.thread(record, thread_id))


async def delete_thread(request: Request) -> Response:
    """Delete a thread, its messages and its runs."""
    call = Call(request)
    thread_id = call.path("thread_id", "thread")
    try:
        thread_id, record = await call.thread()
        await call.store.threads.delete(record.id)
    except errors.ThreadLocked as error:
        raise refusals.thread_is_in_use(thread_id, error.run_id, "thread") from None
    except (ApiError, errors.ThreadNotFound):
        if not (tries_of(call) and await call.store.threads.was_deleted(thread_id)):
            raise refusals.not_found("thread", thread_id) from None
    return answer(deleted(thread_id, "thread"))
