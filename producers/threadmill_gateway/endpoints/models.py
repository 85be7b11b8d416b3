"""The models that a client can name."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers.responses import answer, page
from threadmill_gateway.endpoints.call import Call


async def list_models(request: Request) -> Response:
    """The default model; the workers' provider may have others."""
    return page([_model(Call(request).gateway.settings.model)], has_more=False)


async def get_model(request: Request) -> Response:
    """A model, which the workers' provider may have or not."""
    return answer(_model(request.path_params["model"]))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "threadmill"}
