"""Calls on messages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.answers.responses import answer, deleted, page
from threadmill_gateway.bodies.messages import MetadataChanges, NewMessageBody
from threadmill_gateway.bodies.query import MessageQuery
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.client_requests import (
    client_request,
    key_in,
    note_created,
    tries_of,
)
from threadmill_gateway.endpoints.items import new_messages
from threadmill_gateway.endpoints.known_ids import known_cursor, known_message
from threadmill_gateway.objects import messages as objects
from threadmill_gateway.objects import stored_messages
from threadmill_shared import errors
from threadmill_shared.records.objects import Message


async def create_message(request: Request) -> Response:
    """Add a message to a thread that no run holds."""
    call = Call(request)
    body = await call.body(NewMessageBody)
    thread_id, record = await call.thread()
    [message] = await new_messages(call, [body])
    item = message.item
    asked = await client_request(call, key_in(body.threadmill))
    try:
        created = await call.store.threads.add(
            *(record.id, [(item["id"], item)]),
            create=False,
            attached=message.attached,
            request=asked,
        )
    except errors.ThreadLocked as error:
        raise refusals.thread_takes_no_messages(thread_id, error.run_id) from None
    note_created(call, asked, record.id, created)
    item["id"] = created.id
    return answer(objects.message(Message.read(record.id, item, int(created.at)), thread_id))


async def get_message(request: Request) -> Response:
    """A message; one that a run writes just now has the text so far."""
    call = Call(request)
    message_id = call.path("message_id", "msg")
    thread_id, record = await call.thread()
    with known_message(message_id):
        found = await call.store.threads.message(record.id, message_id)
    return answer(objects.message(found, thread_id))


async def change_message(request: Request) -> Response:
    """Replace a message's metadata."""
    call = Call(request)
    body = await call.body(MetadataChanges)
    message_id = call.path("message_id", "msg")
    thread_id, record = await call.thread()
    threads = call.store.threads
    with known_message(message_id):
        if body.metadata is not None:
            await threads.set_message_metadata(record.id, message_id, body.metadata)
        found = await threads.message(record.id, message_id)
    return answer(objects.message(found, thread_id))


async def delete_message(request: Request) -> Response:
    """Delete a message of a thread that no run holds."""
    call = Call(request)
    message_id = call.path("message_id", "msg")
    thread_id, record = await call.thread()
    try:
        with known_message(message_id):
            await call.store.threads.delete_message(record.id, message_id)
    except errors.ThreadLocked as error:
        raise refusals.thread_is_in_use(thread_id, error.run_id, "messages of") from None
    except ApiError:
        if not (tries_of(call) and await call.store.threads.was_deleted(record.id, message_id)):
            raise
    return answer(deleted(message_id, "thread.message"))


async def list_messages(request: Request) -> Response:
    """A page of a thread's messages."""
    call = Call(request)
    query = call.query(MessageQuery)
    if query.run_id is None:
        return await _list_all(call, query)
    thread_id, record = await call.thread()
    with known_cursor(query):
        found = await call.store.threads.message_page(record.id, query.page(), query.run_id)
    data = [objects.message(one, thread_id) for one in found.data]
    return page(data, has_more=found.has_more)


async def _list_all(call: Call, query: MessageQuery) -> Response:
    """The page in one round trip, which finds out whether there is such a thread, too."""
    given = call.path("thread_id", "thread")
    for id in call.thread_ids(given):
        try:
            with known_cursor(query):
                found = await call.store.threads.stored_messages(id, query.page())
        except errors.ThreadNotFound:
            continue
        data = [stored_messages.message(one, given) for one in found.data]
        return page(data, has_more=found.has_more)
    raise refusals.not_found("thread", given)
