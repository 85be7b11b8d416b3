"""Calls on the steps of a run."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, page
from threadmill_gateway.bodies.query import ListQuery
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.known_ids import known_cursor
from threadmill_gateway.objects import runs as objects
from threadmill_shared import errors

_CONTENTS = "step_details.tool_calls[*].file_search.results[*].content"


async def list_steps(request: Request) -> Response:
    """A page of a run's steps."""
    call = Call(request)
    query = call.query(ListQuery)
    thread_id, record = await call.run()
    with known_cursor(query):
        found = await call.store.run_pages.steps(record.id, query.page())
    has_contents = _wants_contents(request)
    data = [objects.step(one, record, thread_id, has_contents=has_contents) for one in found.data]
    return page(data, has_more=found.has_more)


async def get_step(request: Request) -> Response:
    """A step."""
    call = Call(request)
    step_id = call.path("step_id", "step")
    thread_id, record = await call.run()
    try:
        found = await call.store.run_pages.step(record.id, step_id)
    except errors.StepNotFound:
        raise refusals.not_found("run step", step_id) from None
    has_contents = _wants_contents(request)
    return answer(objects.step(found, record, thread_id, has_contents=has_contents))


def _wants_contents(request: Request) -> bool:
    query = request.query_params
    return _CONTENTS in (*query.getlist("include[]"), *query.getlist("include"))
