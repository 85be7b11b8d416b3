"""A request as a brain sees it, whichever API it came by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Api: TypeAlias = Literal["responses", "chat"]


class Message(NamedTuple):
    """What somebody said."""

    role: str
    """`user` or `assistant`; in a request's entries also `system` or `developer`."""
    text: str


class ToolCall(NamedTuple):
    """A call that an earlier turn asked for."""

    id: str
    name: str


class ToolResult(NamedTuple):
    """What the client says that a call gave."""

    id: str
    output: str


class ToolOutput(NamedTuple):
    """The same for a brain, which knows tools by name."""

    name: str
    output: str


Entry: TypeAlias = Message | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the model."""

    api: Api
    model: str
    instructions: str
    """With the system's and the developer's messages."""
    entries: Sequence[Entry]
    """Messages, calls and results in the order of the conversation."""
    tools: Sequence[str]
    """Names of the tools that are offered."""
    tool_choice: Any
    max_tokens: int | None
    stream: bool
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]
    raw: bytes
    """The body as it came."""

    @property
    def messages(self) -> list[Message]:
        """What the user and the assistant said, oldest first."""
        said = (entry for entry in self.entries if isinstance(entry, Message))
        return [message for message in said if message.role in {"user", "assistant"}]

    @property
    def last_user_text(self) -> str:
        """The text of the user's last message; empty if there is none."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def tool_outputs(self) -> list[ToolOutput]:
        """Name and output of each tool result since the user's last message."""
        outputs: list[ToolOutput] = []
        calls: list[ToolCall] = []
        for entry in self.entries:
            if isinstance(entry, ToolCall):
                calls.append(entry)
            elif isinstance(entry, ToolResult):
                outputs.append(ToolOutput(_take(calls, entry.id), entry.output))
            elif entry.role == "user":
                outputs.clear()
        return outputs

    @property
    def functions(self) -> dict[str, Mapping[str, Any]]:
        """The schema of the arguments of each function that is offered."""
        tools = [tool for tool in dicts(self.body.get("tools")) if tool.get("type") == "function"]
        offered = tools if self.api == "responses" else dicts([t.get("function") for t in tools])
        return {str(one.get("name")): one.get("parameters") or {} for one in offered}

    @property
    def result_schema(self) -> Mapping[str, Any] | None:
        """The schema that the answer must match; None if any text will do."""
        if self.api == "responses":
            asked = (self.body.get("text") or {}).get("format") or {}
        else:
            asked = (self.body.get("response_format") or {}).get("json_schema") or {}
        schema = asked.get("schema")
        return schema if isinstance(schema, Mapping) else None

    @property
    def key(self) -> str:
        """Part of every id in the answer: the same for the same request, else another."""
        return hashlib.blake2b(self.raw, digest_size=10).hexdigest()

    @property
    def prompt_tokens(self) -> int:
        """What the request is counted as."""
        return max(1, len(self.raw) // 4)


def _take(calls: list[ToolCall], id: str) -> str:
    """The name of the oldest open call with this id, which is closed by that."""
    for index, call in enumerate(calls):
        if call.id == id:
            return calls.pop(index).name
    return ""


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a JSON array; nothing if it is not one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or parts of which some have a text."""
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in dicts(content) if "text" in part)


def instructions_of(*texts: Any, entries: Sequence[Entry]) -> str:
    """All that instructs the model: given texts first, then messages of that kind."""
    said = [e.text for e in entries if isinstance(e, Message) and e.role in {"system", "developer"}]
    return "\n".join([*(text for text in texts if isinstance(text, str)), *said])


def natural(value: Any) -> int | None:
    """A JSON number as a limit; None if there is none."""
    return value if isinstance(value, int) and value > 0 else None
