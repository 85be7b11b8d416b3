"""What each call of the API answers: OpenAI's own types, and the names of the schemas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from openai.pagination import SyncCursorPage, SyncPage
from openai.types import FileDeleted, FileObject, Model
from openai.types.beta import Assistant, AssistantDeleted, Thread, ThreadDeleted
from openai.types.beta.threads import Message, MessageDeleted, Run
from openai.types.beta.threads.runs import RunStep


@dataclass(frozen=True)
class Kind:
    """The type of the package and the schema of the OpenAPI document."""

    type: Any
    schema: str


ASSISTANT = Kind(Assistant, "AssistantObject")
THREAD = Kind(Thread, "ThreadObject")
MESSAGE = Kind(Message, "MessageObject")
RUN = Kind(Run, "RunObject")
STEP = Kind(RunStep, "RunStepObject")
FILE = Kind(FileObject, "OpenAIFile")
MODEL = Kind(Model, "Model")

_ID = "[^/]+"
_THREAD = f"/threads/{_ID}"
_RUN = f"{_THREAD}/runs/{_ID}"
_CALLS: list[tuple[str, str, Kind]] = [
    ("POST", "/assistants", ASSISTANT),
    ("GET", "/assistants", Kind(SyncCursorPage[Assistant], "ListAssistantsResponse")),
    ("GET|POST", f"/assistants/{_ID}", ASSISTANT),
    ("DELETE", f"/assistants/{_ID}", Kind(AssistantDeleted, "DeleteAssistantResponse")),
    ("POST", "/threads", THREAD),
    ("POST", "/threads/runs", RUN),
    ("GET|POST", _THREAD, THREAD),
    ("DELETE", _THREAD, Kind(ThreadDeleted, "DeleteThreadResponse")),
    ("POST", f"{_THREAD}/messages", MESSAGE),
    ("GET", f"{_THREAD}/messages", Kind(SyncCursorPage[Message], "ListMessagesResponse")),
    ("GET|POST", f"{_THREAD}/messages/{_ID}", MESSAGE),
    ("DELETE", f"{_THREAD}/messages/{_ID}", Kind(MessageDeleted, "DeleteMessageResponse")),
    ("POST", f"{_THREAD}/runs", RUN),
    ("GET", f"{_THREAD}/runs", Kind(SyncCursorPage[Run], "ListRunsResponse")),
    ("GET|POST", _RUN, RUN),
    ("POST", f"{_RUN}/(cancel|submit_tool_outputs|approve|reject)", RUN),
    ("GET", f"{_RUN}/steps", Kind(SyncCursorPage[RunStep], "ListRunStepsResponse")),
    ("GET", f"{_RUN}/steps/{_ID}", STEP),
    ("POST", "/files", FILE),
    ("GET", "/files", Kind(SyncCursorPage[FileObject], "ListFilesResponse")),
    ("GET", f"/files/{_ID}", FILE),
    ("DELETE", f"/files/{_ID}", Kind(FileDeleted, "DeleteFileResponse")),
    ("GET", "/models", Kind(SyncPage[Model], "ListModelsResponse")),
    ("GET", "/models/.+", MODEL),
]


def kind_of(method: str, path: str) -> Kind | None:
    """What a call answers; None: the API has no such call with an object for an answer."""
    below = re.sub("^(/openai/v1|/openai|/v1)", "", path)
    for methods, pattern, kind in _CALLS:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, below):
            return kind
    return None
