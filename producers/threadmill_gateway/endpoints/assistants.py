"""Calls on assistants."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, deleted
from threadmill_gateway.bodies.assistants import AssistantBody
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.objects import assistants as objects
from threadmill_shared import errors, ids
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.records.definition import Definition
from threadmill_shared.tools import external_spec


async def create_assistant(request: Request) -> Response:
    """Create an assistant."""
    call = Call(request)
    body = await call.body(AssistantBody)
    definition = Definition(id=ids.new_assistant_id(), **fields_of(body))
    await call.store.assistants.create(definition)
    return answer(objects.assistant(definition, int(time.time())))


async def get_assistant(request: Request) -> Response:
    """An assistant, by its id."""
    call = Call(request)
    definition = await load(call, call.path("assistant_id", "asst"))
    return answer(objects.assistant(definition, 0))


async def delete_assistant(request: Request) -> Response:
    """Delete an assistant; its runs continue."""
    call = Call(request)
    assistant_id = call.path("assistant_id", "asst")
    if not await call.store.assistants.delete(assistant_id):
        raise refusals.not_found("assistant", assistant_id)
    return answer(deleted(assistant_id, "assistant"))


async def load(call: Call, id_or_name: str) -> Definition:
    """The definition of this id or name.

    Raises:
        ApiError: there is none.
    """
    try:
        return await call.store.assistants.load(id_or_name)
    except errors.AssistantNotFound:
        raise refusals.not_found("assistant", id_or_name) from None


def fields_of(body: AssistantBody) -> dict[str, Any]:
    """A definition's fields.

    Raises:
        BadTool: a tool is not valid.
    """
    given = body.model_dump(exclude_none=True, by_alias=True)
    tools = given.pop("tools", [])
    resources = given.pop("tool_resources", {})
    given.setdefault("name", "")
    given["tools"] = tuple(external_spec(tool) for tool in tools if tool["type"] == "function")
    given["hosted"] = hosted_tools(tools, resources)
    return given
