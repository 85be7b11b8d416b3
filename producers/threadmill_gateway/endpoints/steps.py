"""Calls on the steps of a run."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, page
from threadmill_gateway.bodies.query import ListQuery
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.objects import runs as objects

_CONTENTS = "step_details.tool_calls[*].file_search.results[*].content"


async def list_steps(request: Request) -> Response:
    """A page of a run's steps."""
    call = Call(request)
    query = call.query(ListQuery)
    thread_id, record = await call.run()
    steps = await call.store.runs.steps(record.id)
    if query.order == "desc":
        steps.reverse()
    data = [
        objects.step(one, record, thread_id, has_contents=_wants_contents(request))
        for one in steps[: query.limit]
    ]
    return page(data, has_more=len(steps) > query.limit)


async def get_step(request: Request) -> Response:
    """A step."""
    call = Call(request)
    step_id = call.path("step_id", "step")
    thread_id, record = await call.run()
    for one in await call.store.runs.steps(record.id):
        if one.id == step_id:
            has_contents = _wants_contents(request)
            return answer(objects.step(one, record, thread_id, has_contents=has_contents))
    raise refusals.not_found("run step", step_id)


def _wants_contents(request: Request) -> bool:
    query = request.query_params
    return _CONTENTS in (*query.getlist("include[]"), *query.getlist("include"))
