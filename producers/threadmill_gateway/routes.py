"""All calls of the API: their paths, the functions that serve them, what they take and answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Route

from threadmill_gateway.bodies.approvals import ApprovalBody, RejectionBody
from threadmill_gateway.bodies.assistants import AssistantBody, AssistantChanges
from threadmill_gateway.bodies.body import Body
from threadmill_gateway.bodies.files import FileForm
from threadmill_gateway.bodies.messages import MetadataChanges, NewMessageBody
from threadmill_gateway.bodies.query import FileQuery, ListQuery, MessageQuery
from threadmill_gateway.bodies.runs import RunBody, ThreadAndRunBody, ToolOutputsBody
from threadmill_gateway.bodies.threads import ThreadBody, ThreadChanges
from threadmill_gateway.endpoints import (
    approvals,
    assistants,
    files,
    health,
    messages,
    models,
    run_creation,
    runs,
    steps,
    streams,
    threads,
    vector_stores,
)
from threadmill_gateway.endpoints.served_endpoint import Endpoint, ServedEndpoint
from threadmill_gateway.objects import shapes

PREFIXES = ("/v1", "/openai", "/openai/v1")
"""Below which the calls are: OpenAI's, and those of Azure's clients."""


@dataclass(frozen=True)
class ApiCall:
    """One call of the API."""

    method: str
    path: str
    """Below a prefix."""
    endpoint: Endpoint
    """Its docstring describes the call."""
    answer: type[Any]
    """The shape of what it answers."""
    body: type[Body] | None = None
    query: type[Body] | None = None
    is_form: bool = False
    """Whether the body is a form with a file, and not JSON."""
    is_list: bool = False
    """Whether it answers a page of these objects."""
    may_stream: bool = False
    """Whether it answers a stream of events, or can be told to."""


_THREAD = "/threads/{thread_id}"
_MESSAGE = f"{_THREAD}/messages/{{message_id}}"
_RUNS = f"{_THREAD}/runs"
_RUN = f"{_RUNS}/{{run_id}}"
_ASSISTANT = "/assistants/{assistant_id}"
_FILE = "/files/{file_id}"

CALLS = [
    ApiCall("GET", _RUN, runs.get_run, shapes.Run),
    ApiCall("POST", _RUNS, run_creation.create_run, shapes.Run, RunBody, may_stream=True),
    ApiCall(
        "GET",
        f"{_THREAD}/messages",
        messages.list_messages,
        shapes.Message,
        query=MessageQuery,
        is_list=True,
    ),
    ApiCall("POST", f"{_THREAD}/messages", messages.create_message, shapes.Message, NewMessageBody),
    ApiCall("POST", "/threads", threads.create_thread, shapes.Thread, ThreadBody),
    ApiCall(
        "POST",
        f"{_RUN}/submit_tool_outputs",
        runs.submit_tool_outputs,
        shapes.Run,
        ToolOutputsBody,
        may_stream=True,
    ),
    ApiCall(
        "POST",
        "/threads/runs",
        run_creation.create_thread_and_run,
        shapes.Run,
        ThreadAndRunBody,
        may_stream=True,
    ),
    ApiCall("POST", _RUN, runs.change_run, shapes.Run, MetadataChanges),
    ApiCall("POST", f"{_RUN}/cancel", runs.cancel_run, shapes.Run),
    ApiCall("POST", f"{_RUN}/approve", approvals.approve_call, shapes.Run, ApprovalBody),
    ApiCall("POST", f"{_RUN}/reject", approvals.reject_call, shapes.Run, RejectionBody),
    ApiCall("GET", _RUNS, runs.list_runs, shapes.Run, query=ListQuery, is_list=True),
    ApiCall(
        "GET", f"{_RUN}/steps", steps.list_steps, shapes.RunStep, query=ListQuery, is_list=True
    ),
    ApiCall("GET", f"{_RUN}/steps/{{step_id}}", steps.get_step, shapes.RunStep),
    ApiCall("GET", f"{_RUN}/events", streams.follow_run, shapes.Run, may_stream=True),
    ApiCall("GET", _THREAD, threads.get_thread, shapes.Thread),
    ApiCall("GET", _MESSAGE, messages.get_message, shapes.Message),
    ApiCall("POST", _MESSAGE, messages.change_message, shapes.Message, MetadataChanges),
    ApiCall("DELETE", _MESSAGE, messages.delete_message, shapes.Deleted),
    ApiCall("POST", _THREAD, threads.change_thread, shapes.Thread, ThreadChanges),
    ApiCall("DELETE", _THREAD, threads.delete_thread, shapes.Deleted),
    ApiCall("POST", "/assistants", assistants.create_assistant, shapes.Assistant, AssistantBody),
    ApiCall("GET", _ASSISTANT, assistants.get_assistant, shapes.Assistant),
    ApiCall("POST", _ASSISTANT, assistants.change_assistant, shapes.Assistant, AssistantChanges),
    ApiCall("DELETE", _ASSISTANT, assistants.delete_assistant, shapes.Deleted),
    ApiCall(
        "GET",
        "/assistants",
        assistants.list_assistants,
        shapes.Assistant,
        query=ListQuery,
        is_list=True,
    ),
    ApiCall("POST", "/files", files.create_file, shapes.File, FileForm, is_form=True),
    ApiCall("GET", "/files", files.list_files, shapes.File, query=FileQuery, is_list=True),
    ApiCall("GET", _FILE, files.get_file, shapes.File),
    ApiCall("DELETE", _FILE, files.delete_file, shapes.Deleted),
    ApiCall("GET", f"{_FILE}/content", files.get_content, bytes),
    ApiCall("GET", "/models", models.list_models, shapes.Model, is_list=True),
    ApiCall("GET", "/models/{model}", models.get_model, shapes.Model),
]
"""Those that are called most come first: they are found first."""


def routes() -> list[BaseRoute]:
    """The calls below each prefix, and the gateway's own."""
    own = [Route("/healthz", ServedEndpoint(health.get_health), methods=["GET"])]
    api = [
        Route(prefix + call.path, ServedEndpoint(call.endpoint), methods=[call.method])
        for prefix in PREFIXES
        for call in CALLS
    ]
    absent = [
        Route(prefix + path, vector_stores.refuse_vector_stores, methods=["GET", "POST", "DELETE"])
        for prefix in PREFIXES
        for path in ("/vector_stores", "/vector_stores/{rest:path}")
    ]
    return [*api, *absent, *own]
