"""Calls on assistants."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, deleted, page
from threadmill_gateway.bodies.assistants import AssistantBody, AssistantChanges
from threadmill_gateway.bodies.query import ListQuery
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.client_requests import (
    client_request,
    key_in,
    note_created,
    tries_of,
)
from threadmill_gateway.endpoints.definitions import fields_of, with_changes
from threadmill_gateway.endpoints.known_ids import known_cursor
from threadmill_gateway.objects import assistants as objects
from threadmill_shared import errors, ids
from threadmill_shared.records.definition import Definition


async def create_assistant(request: Request) -> Response:
    """Create an assistant."""
    call = Call(request)
    body = await call.body(AssistantBody)
    asked, id = await client_request(call, key_in(body.threadmill)), ids.new_assistant_id()
    fields = fields_of(body)
    definition = Definition.model_validate({"id": id, "name": id} | fields)
    created = await call.store.assistants.create_for(asked, definition)
    note_created(call, asked, created.id, created)
    if not created.is_new:
        definition = Definition.model_validate({"id": created.id, "name": created.id} | fields)
    return answer(objects.assistant(definition.dated(created.at)))


async def list_assistants(request: Request) -> Response:
    """A page of the assistants that were created."""
    call = Call(request)
    query = call.query(ListQuery)
    with known_cursor(query):
        found = await call.store.assistants.page(query.page())
    return page([objects.assistant(one) for one in found.data], has_more=found.has_more)


async def get_assistant(request: Request) -> Response:
    """An assistant, by its id."""
    call = Call(request)
    definition = await load(call, call.path("assistant_id", "asst"))
    return answer(objects.assistant(definition))


async def change_assistant(request: Request) -> Response:
    """Change an assistant; what is left out stays as it is."""
    call = Call(request)
    assistant_id = call.path("assistant_id", "asst")
    body = await call.body(AssistantChanges)
    try:
        changed = await call.store.assistants.change(assistant_id, partial(with_changes, body))
    except errors.AssistantNotFound:
        raise refusals.not_found("assistant", assistant_id) from None
    return answer(objects.assistant(changed))


async def delete_assistant(request: Request) -> Response:
    """Delete an assistant; its runs continue."""
    call = Call(request)
    assistant_id, assistants = call.path("assistant_id", "asst"), call.store.assistants
    if not await assistants.delete(assistant_id) and not (
        tries_of(call) and await assistants.was_deleted(assistant_id)
    ):
        raise refusals.not_found("assistant", assistant_id)
    return answer(deleted(assistant_id, "assistant"))


async def load(call: Call, id_or_name: str) -> Definition:
    """The definition of this id or name.

    Raises:
        ApiError: there is none.
    """
    call.note_use(id_or_name)
    try:
        return await call.store.assistants.load(id_or_name)
    except errors.AssistantNotFound:
        raise refusals.not_found("assistant", id_or_name) from None
