"""All calls of the API, and the functions that serve them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from threadmill_gateway.endpoints import (
    assistants,
    health,
    messages,
    models,
    runs,
    steps,
    streams,
    threads,
)

Endpoint = Callable[[Request], Awaitable[Any]]

PREFIXES = ("/v1", "/openai", "/openai/v1")
"""Below which the calls are: OpenAI's, and those of Azure's clients."""

_RUNS = "/threads/{thread_id}/runs"

CALLS: list[tuple[str, str, Endpoint]] = [
    ("GET", _RUNS + "/{run_id}", runs.get_run),
    ("POST", _RUNS, runs.create_run),
    ("GET", _RUNS, runs.list_runs),
    ("GET", "/threads/{thread_id}/messages", messages.list_messages),
    ("POST", "/threads/{thread_id}/messages", messages.create_message),
    ("POST", "/threads", threads.create_thread),
    ("POST", _RUNS + "/{run_id}/submit_tool_outputs", runs.submit_tool_outputs),
    ("POST", _RUNS + "/{run_id}/cancel", runs.cancel_run),
    ("GET", _RUNS + "/{run_id}/steps", steps.list_steps),
    ("GET", _RUNS + "/{run_id}/steps/{step_id}", steps.get_step),
    ("GET", _RUNS + "/{run_id}/events", streams.follow_run),
    ("GET", "/threads/{thread_id}", threads.get_thread),
    ("DELETE", "/threads/{thread_id}", threads.delete_thread),
    ("POST", "/assistants", assistants.create_assistant),
    ("GET", "/assistants/{assistant_id}", assistants.get_assistant),
    ("POST", "/assistants/{assistant_id}", assistants.change_assistant),
    ("DELETE", "/assistants/{assistant_id}", assistants.delete_assistant),
    ("GET", "/models", models.list_models),
    ("GET", "/models/{model}", models.get_model),
]
"""Method, path below a prefix, and the function; those that are called most come first."""


def routes() -> list[BaseRoute]:
    """The calls below each prefix, and the gateway's own."""
    own = [Route("/healthz", health.get_health, methods=["GET"])]
    api = [
        Route(prefix + path, endpoint, methods=[method])
        for prefix in PREFIXES
        for method, path, endpoint in CALLS
    ]
    return [*api, *own]
