"""The lines of a file: their kinds, and what is stored of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from threadmill_shared import errors, ids
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.instructions.plain_text import PlainText, stored_instructions
from threadmill_shared.records import lenient
from threadmill_shared.records.definition import Definition, checked_option
from threadmill_shared.records.items import (
    HostedCallItem,
    MessageItem,
    NoteItem,
    ReasoningItem,
    ToolCallItem,
    ToolOutputItem,
    text_part,
)
from threadmill_shared.records.objects import Message
from threadmill_shared.tools import external_spec

SKIPPED = frozenset({"thread.run", "thread.run.step"})
"""History only: a conversation continues without it."""


def _required_fields(item: type) -> frozenset[str]:
    # Not `__required_keys__`: annotations that are texts hide from it what is not required.
    hints = get_type_hints(item, include_extras=True)
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is not NotRequired)


_ITEM_FIELDS = {
    "tool_call": _required_fields(ToolCallItem),
    "tool_output": _required_fields(ToolOutputItem),
    "reasoning": _required_fields(ReasoningItem),
    "hosted_call": _required_fields(HostedCallItem),
    "note": _required_fields(NoteItem),
}
Json = dict[str, Any]

_AS_LINES = "`jq -c '.data[]'` converts a list of the Assistants API, `jq -c '.[]'` an array"
_Id = Annotated[str, Field(min_length=1, max_length=256)]
_LATEST = 10_000_000_000
"""Seconds since the epoch; a later time is in milliseconds by mistake."""
_MOST = 2**53
"""The largest position; a thread has no room for as many items."""


def _whole_seconds(value: Any) -> Any:
    if isinstance(value, str) and not value.isdecimal():
        raise ValueError("must be seconds since the epoch, such as 1710000000, not another text")
    if isinstance(value, str):
        value = float(value)
    if isinstance(value, int | float) and value > _LATEST:
        raise ValueError("is in milliseconds; must be seconds since the epoch (divide it by 1000)")
    return int(value) if isinstance(value, float) and math.isfinite(value) else value


_Seconds = Annotated[int, BeforeValidator(_whole_seconds), Field(ge=0)]


class _Line(BaseModel):
    # The saved objects can have later fields, or the user's own; what is not kept is named.
    model_config = ConfigDict(extra="allow", frozen=True)


class Extra(BaseModel):
    """Data that the Assistants API has no field for."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    at: Annotated[int, Field(ge=0, le=1000 * _LATEST)] | None = None
    """Milliseconds since the epoch; `created_at` is in seconds."""
    position: Annotated[int, Field(ge=0, le=_MOST)] | None = None
    """In its thread."""
    key: str | None = None
    assistant_name: str | None = None
    run_id: str | None = None
    """The run that has brought a user's message into its thread."""


class AssistantLine(_Line):
    """An assistant."""

    object: Literal["assistant"]
    id: _Id
    created_at: _Seconds | None = None
    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    model: str = Field(pattern=r"\S")
    tools: list[dict[str, Any]] = []
    tool_resources: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    response_format: str | dict[str, Any] | None = None
    temperature: Any = None
    top_p: Any = None
    reasoning_effort: Any = None
    threadmill: dict[str, JsonValue] | None = None
    """threadmill's own definition, complete."""

    def definition(self) -> Definition:
        """What is stored of it.

        Raises:
            ValidationError: threadmill's own definition is invalid.
            BadTool: one of its tools does not have a tool's form.
        """
        if self.threadmill is not None:
            # Further fields of a later release are exported, and imported again.
            own = {"id": self.id, "created_at": self.created_at}
            return Definition.model_validate(self.threadmill | own, extra="allow")
        return Definition(
            id=self.id,
            version=1,
            created_at=self.created_at,
            name=self.name or self.id,
            description=self.description,
            **stored_instructions(PlainText(self.instructions or "")),
            model=self.model,
            tools=tuple(
                external_spec(tool) for tool in self.tools if tool.get("type") == "function"
            ),
            hosted=hosted_tools(self.tools, self.tool_resources or {}),
            metadata=self.metadata or {},
            response_format=self.response_format,
            **{name: value for name, value in self._options().items() if _is_valid(name, value)},
        )

    def invalid_options(self) -> list[str]:
        """The options that are not kept, since no run could have them."""
        options = self._options().items()
        return [f"{name} {value}" for name, value in options if not _is_valid(name, value)]

    def _options(self) -> Json:
        """The options that it sets; each saved assistant has 1 for those of sampling."""
        sampling = {"temperature": self.temperature, "top_p": self.top_p}
        set_ones = {name: value for name, value in sampling.items() if value not in (None, 1)}
        effort = self.reasoning_effort
        return set_ones | ({} if effort is None else {"reasoning_effort": effort})


def _is_valid(name: str, value: Any) -> bool:
    try:
        checked_option(name, value)
    except ValueError:
        return False
    return True


class ThreadLine(_Line):
    """A thread."""

    object: Literal["thread"]
    id: _Id
    created_at: _Seconds
    metadata: dict[str, str] | None = None
    threadmill: Extra = Extra()


class MessageLine(_Line):
    """A message."""

    object: Literal["thread.message"]
    id: str
    thread_id: _Id
    created_at: _Seconds
    role: Literal["user", "assistant"]
    content: list[dict[str, Any]]
    status: Literal["in_progress", "incomplete", "completed"] | None = None
    incomplete_details: dict[str, Any] | None = None
    run_id: str | None = None
    assistant_id: str | None = None
    attachments: list[dict[str, Any]] | None = None
    metadata: dict[str, str] | None = None
    threadmill: Extra = Extra()

    def item(self, names: Mapping[str, str]) -> MessageItem:
        """What is stored of it; `names` are those of the file's assistants, by id.

        Raises:
            BadMessage: its id is not valid for a message.
        """
        name = self.threadmill.assistant_name or names.get(self.assistant_id or "")
        item: MessageItem = {
            "type": "message",
            "id": ids.checked_message_id(self.id),
            "role": self.role,
            "content": [_known_part(part) for part in self.content],
            "status": "completed" if self.status in (None, "completed") else "incomplete",
            "run_id": self.run_id or self.threadmill.run_id,
            "assistant_id": self.assistant_id,
            "assistant_name": name,
            "metadata": self.metadata or {},
        }
        if item["status"] == "incomplete":
            details = self.incomplete_details or {}
            item["reason"] = str(details.get("reason") or "run_failed")
        if self.attachments:
            item["attachments"] = [_without_tools(one) for one in self.attachments]
        Message.read("", item, 0)
        return item


class ItemLine(_Line):
    """An item of a thread that is not a message: a tool call, its output, reasoning, a note."""

    object: Literal["threadmill.item"]
    thread_id: _Id
    created_at: _Seconds
    item: dict[str, Any]
    threadmill: Extra

    @field_validator("item")
    @classmethod
    def _is_an_item(cls, item: dict[str, Any]) -> dict[str, Any]:
        fields = _ITEM_FIELDS.get(str(item.get("type")))
        if fields is None or not fields <= item.keys():
            raise ValueError(f"must be one of {', '.join(_ITEM_FIELDS)}, with all its fields")
        # Where it is imported its container may be another account's: so it has no time.
        return {name: value for name, value in item.items() if name != "at"}


Line = AssistantLine | ThreadLine | MessageLine | ItemLine

_KINDS = {("assistant",), ("thread",), ("thread.message",), ("threadmill.item",)}
"""The beginning of the location of an error in one of them."""
_any: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="object")])
_head: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def read_line(line: bytes) -> Line | None:
    """What a line is; None if its kind is skipped.

    Raises:
        CallerError: it is invalid; the error says why.
    """
    try:
        head = _read_object(line)
        if str(head.get("object")) in SKIPPED:
            return None
        found = _any.validate_python(head)
        _check(found)
    except ValidationError as error:
        raise errors.CallerError(_reason(error)) from None
    except UnicodeEncodeError:
        raise errors.CallerError("a text is not valid Unicode") from None
    return found


def _read_object(line: bytes) -> dict[str, Any]:
    try:
        return _head.validate_json(line)
    except ValidationError:
        _check_encoding(line)
        # Whoever has cut a text by UTF-16 units has left half of a surrogate pair.
        mended = _with_whole_characters(line) if b"\\u" in line else None
        if mended is None:
            raise
        return _head.validate_python(mended)


def _check_encoding(line: bytes) -> None:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise errors.CallerError(
            f"byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8. If the "
            "file is in Latin-1 or Windows-1252, convert it: `iconv -f WINDOWS-1252 -t UTF-8`"
        ) from None


def _with_whole_characters(line: bytes) -> Any:
    """The JSON value with U+FFFD for each half of a surrogate pair; None if it is not JSON."""
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    text = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    return json.loads(text.decode("utf-16-le", "replace"))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _check(line: Line) -> None:
    """Find out now the errors that storing it would raise."""
    if isinstance(line, AssistantLine):
        line.definition().model_dump_json()
    elif isinstance(line, MessageLine):
        line.item({})


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    is_list = first.get("ctx", {}).get("tag") == "list"
    if is_list or (not first["loc"] and first["type"] in {"json_invalid", "dict_type"}):
        reason = "" if is_list else f" ({first['msg']})"
        return f"each line must be one whole JSON object, not a list{reason}; {_AS_LINES}"
    if first["type"].startswith("union_tag"):
        kinds = "assistant, thread, thread.message, thread.run, thread.run.step or threadmill.item"
        return f"its 'object' must be {kinds}"
    path = first["loc"][1:] if first["loc"][:1] in _KINDS else first["loc"]
    place = ".".join(str(part) for part in path)
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _without_tools(attachment: dict[str, Any]) -> dict[str, Any]:
    """An attachment, which no tool reads if threadmill stored its content: the file lacks it."""
    is_ours = ids.is_attached_file_id(str(attachment.get("file_id")))
    return {**attachment, "tools": []} if is_ours else attachment


def _known_part(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a message's content; a kind that is not kept is replaced by its name."""
    if part.get("type") == "text":
        return part
    if part.get("type") == "refusal":
        return text_part(str(part.get("refusal")))
    inner = lenient.json_object(part.get(str(part.get("type"))))
    name = inner.get("file_id") or inner.get("url") or "unknown"
    return text_part(f"[{part.get('type')}: {name}]")
