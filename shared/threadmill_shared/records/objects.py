"""The frozen objects that users read: messages, steps, and how a run went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)
from pydantic_core import from_json, to_json

from threadmill_shared import ids
from threadmill_shared.records import lenient
from threadmill_shared.records.annotations import Annotation, with_texts
from threadmill_shared.records.changes import ParkedCall
from threadmill_shared.records.files import FileFailure
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.messages import MessageNote
from threadmill_shared.stored import reading


class _Frozen(BaseModel):
    # Fields that only a later release knows are not shown.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Text(_Frozen):
    """The text of a part of a message."""

    value: str
    annotations: list[Annotated[dict[str, Any], AfterValidator(Annotation)]] = Field(
        default_factory=list
    )
    """What it cites, with attributes and keys: `type`, `text`, `start_index`, `end_index`, ..."""

    @model_validator(mode="before")
    @classmethod
    def _give_texts(cls, data: Any) -> Any:
        cited = lenient.objects(data.get("annotations")) if isinstance(data, dict) else []
        if not cited:
            return data
        value, annotations = with_texts(lenient.text(data.get("value")), cited)
        return data | {"value": value, "annotations": annotations}


class TextPart(_Frozen):
    """A part of a message that is text."""

    type: Literal["text"] = "text"
    text: Text


class ImageFile(_Frozen):
    """An image that is a stored file; `Run.download` writes those that a run created."""

    file_id: str
    detail: str | None = None


class ImageFilePart(_Frozen):
    """A part of a message that is an image."""

    type: Literal["image_file"] = "image_file"
    image_file: ImageFile


class ImageURL(_Frozen):
    """An image somewhere on the web."""

    url: str
    detail: str | None = None


class ImageURLPart(_Frozen):
    """A part of a message that is an image on the web."""

    type: Literal["image_url"] = "image_url"
    image_url: ImageURL


Part = Annotated[TextPart | ImageFilePart | ImageURLPart, Field(discriminator="type")]


class Message(_Frozen):
    """What a user or an assistant said in a thread."""

    id: str
    thread_id: str
    role: Literal["user", "assistant"]
    content: list[Part]
    created_at: int
    """Seconds since the epoch, when it was added to the thread."""
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    incomplete_reason: str | None = None
    run_id: str | None = None
    """The run that has written it; None: a user's, or nobody's run has."""
    assistant_id: str | None = None
    assistant_name: str | None = None
    attachments: list[dict[str, Any]] = Field(default_factory=list)
    """Files: `file_id` and `tools` as in the Assistants API, with `filename` and `bytes`. An
    `error` says why the tools do not have a file; in place of the id, why a file that was created
    is missing."""
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text.value for part in self.content if part.type == "text")

    def with_note(self, note: MessageNote) -> Message:
        """The same message, with what is kept beside it."""
        changes: dict[str, Any] = {}
        if note.failures:
            changes["attachments"] = [_with_error(one, note.failures) for one in self.attachments]
        if note.metadata is not None:
            changes["metadata"] = note.metadata
        return self.model_copy(update=changes)

    @classmethod
    def read(cls, thread_id: str, item: MessageItem, at: int) -> Message:
        """Build the message from a thread's item; `at` is its time in milliseconds.

        Raises:
            ValidationError: the item is not a message.
        """
        return cls(
            id=item["id"],
            thread_id=thread_id,
            role=item["role"],
            content=[_part.validate_python(part) for part in item["content"]],
            created_at=at // 1000,
            status=item["status"],
            incomplete_reason=item.get("reason"),
            # Stored with a user's message is the run that has brought it into the thread.
            run_id=item["run_id"] if item["role"] == "assistant" else None,
            assistant_id=item["assistant_id"],
            assistant_name=item["assistant_name"],
            metadata=item["metadata"],
            attachments=item.get("attachments", []),
        )


def _with_error(attachment: dict[str, Any], failures: Mapping[str, FileFailure]) -> dict[str, Any]:
    failure = failures.get(lenient.text(attachment.get("file_id")))
    tools = [one.get("type") for one in lenient.objects(attachment.get("tools"))]
    if failure is None or not any(use in tools for use in failure.uses):
        return attachment
    return attachment | {"error": failure.reason}


_part: TypeAdapter[TextPart | ImageFilePart | ImageURLPart] = TypeAdapter(Part)


class CodeRun(_Frozen):
    """Code that the provider executed."""

    input: str
    outputs: list[dict[str, Any]] = Field(default_factory=list)
    """`{"type": "logs", "logs": ...}` and `{"type": "image", "image": {"file_id": ...}}`"""


class ToolCall(_Frozen):
    """One call of a tool; `output` is None until it has one."""

    id: str
    type: Literal["function", "code_interpreter", "file_search", "web_search"] = "function"
    name: str
    """The function's name; for a hosted tool its type."""
    arguments: str
    """JSON, as the model wrote it; for the code interpreter its code, for a search its queries, or
    the address of the page that was opened."""
    output: str | None = None
    """For the code interpreter, its code's output."""
    code_interpreter: CodeRun | None = None
    file_search: dict[str, Any] | None = None
    """`results` in the Assistants API's shape, and `queries`."""
    web_search: dict[str, Any] | None = None
    """`action` (`search`, `open_page` or `find_in_page`), and of it `queries`, `url`, `pattern`;
    `sources`, the addresses of the pages that were found."""
    failed: bool = False
    """Whether the output is an error for the model."""


class RequiredFunction(_Frozen):
    """The function that a call is for."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class RequiredCall(_Frozen):
    """A call that waits for an answer from outside the workers."""

    id: str
    type: Literal["function"] = "function"
    function: RequiredFunction
    waits_for: Literal["output", "approval"]
    """`output`: a process that has the function executes it, or somebody submits its output.
    `approval`: somebody approves or rejects it."""


class RequiredOutputs(_Frozen):
    """The calls that wait."""

    tool_calls: list[RequiredCall]


class RequiredAction(_Frozen):
    """What a `requires_action` run waits for, in the Assistants API's shape."""

    type: Literal["submit_tool_outputs"] = "submit_tool_outputs"
    submit_tool_outputs: RequiredOutputs

    @property
    def tool_calls(self) -> list[RequiredCall]:
        """The calls that wait."""
        return self.submit_tool_outputs.tool_calls

    @classmethod
    def of(cls, calls: Sequence[ParkedCall]) -> RequiredAction:
        """What a run that is parked for these calls waits for."""
        waiting = [
            RequiredCall(
                id=call.id,
                function=RequiredFunction(name=call.name, arguments=call.arguments),
                waits_for=call.waits_for,
            )
            for call in calls
        ]
        return cls(submit_tool_outputs=RequiredOutputs(tool_calls=waiting))


Tokens = Annotated[int, BeforeValidator(lambda value: lenient.whole_number(value) or 0)]
"""Tokens that a provider did not count are 0; they may have been stored unchanged."""


class RunUsage(_Frozen):
    """Tokens as the provider counted them."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    total_tokens: Tokens = 0


class Step(_Frozen):
    """One step of a run: a message, or tool calls."""

    id: str
    run_id: str
    type: Literal["message_creation", "tool_calls"]
    status: Literal["in_progress", "completed", "cancelled", "failed", "expired"]
    created_at: int
    """Seconds since the epoch."""
    ended_at: int | None = None
    message_id: str | None = None
    tool_calls: list[ToolCall] = Field(default_factory=list)
    usage: RunUsage | None = None
    last_error: LastError | None = None
    """Why the run failed or expired, if that has ended this step."""

    @classmethod
    def read_all(cls, run_id: str, fields: Mapping[str, str]) -> list[Step]:
        """Build a run's steps, in order, from the hash that holds them.

        Raises:
            StoreIncompatible: this release cannot read one.
        """
        numbers = sorted(int(name) for name in fields if ":" not in name)
        return [cls._read(run_id, number, fields) for number in numbers]

    @classmethod
    def _read(cls, run_id: str, number: int, fields: Mapping[str, str]) -> Step:
        body = from_json(fields[str(number)])
        status, _, ended = fields.get(f"{number}:ended", "in_progress").partition(" ")
        message = body.get("message")
        values = {
            "id": ids.step_id(run_id, number),
            "run_id": run_id,
            "type": body["type"],
            "status": status,
            "created_at": int(fields[f"{number}:began"]) // 1000,
            "ended_at": int(ended) // 1000 if ended else None,
            "message_id": None if message is None else ids.run_message_id(run_id, message),
            "tool_calls": [*_functions(body), *_hosted(body, status)],
            "usage": body.get("usage"),
            "last_error": from_json(fields.get(f"{number}:error", "null")),
        }
        with reading(values["id"]):
            return cls.model_validate(values)


def _functions(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for id, name, arguments, output in body.get("calls", ()):
        failed = id in body.get("failed", ())
        yield {
            "id": id,
            "name": lenient.text(name),
            "arguments": lenient.text(arguments),
            "output": output,
            "failed": failed,
        }


def _hosted(body: Mapping[str, Any], status: str) -> Iterator[dict[str, Any]]:
    if "hosted" not in body:
        return
    id, kind, details = body["hosted"]
    call = {"id": id, "type": kind, "name": kind, "failed": status == "failed"}
    call |= _HOSTED[kind](details) if kind in _HOSTED else {"arguments": ""}
    yield call if status != "in_progress" else call | {"output": None}


def _code_run(details: Mapping[str, Any]) -> dict[str, Any]:
    code, outputs = lenient.text(details.get("input")), lenient.objects(details.get("outputs"))
    logs = [lenient.text(one.get("logs")) for one in outputs if one.get("type") == "logs"]
    run = {"input": code, "outputs": outputs}
    return {"arguments": code, "output": "".join(logs), "code_interpreter": run}


def _web_search(details: Mapping[str, Any]) -> dict[str, Any]:
    asked = to_json(details.get("queries", ())).decode()
    url = lenient.text(details.get("url"))
    found = "\n".join(lenient.texts(details.get("sources")))
    return {"arguments": url or asked, "output": found, "web_search": details}


def _file_search(details: Mapping[str, Any]) -> dict[str, Any]:
    found = [
        f"{lenient.text(one.get('file_name'))} ({lenient.number(one.get('score')):.2f})"
        for one in lenient.objects(details.get("results"))
    ]
    queries = to_json(details.get("queries", ())).decode()
    return {"arguments": queries, "output": "\n".join(found), "file_search": details}


_HOSTED = {"code_interpreter": _code_run, "file_search": _file_search, "web_search": _web_search}
"""What a hosted call's details mean, by the call's kind."""
