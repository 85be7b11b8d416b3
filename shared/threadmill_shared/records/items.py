"""The items of a thread, as they are stored and as a model request carries them.

An item is plain JSON. It is written once and never changed, so the order of a thread is the order
of its items; times are the server's and are kept beside an item, not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from threadmill_shared.records import lenient
from threadmill_shared.records.annotations import with_texts, without_markers


class MessageItem(TypedDict):
    """A message of a user or an assistant."""

    type: Literal["message"]
    id: str
    role: Literal["user", "assistant"]
    content: list[dict[str, Any]]
    """Parts in the Assistants API's shape: `{"type": "text", "text": {"value", "annotations"}}`."""
    status: Literal["completed", "incomplete"]
    reason: NotRequired[str]
    """Why an incomplete message is incomplete: `run_cancelled`, `run_failed`, `run_expired`, ..."""
    run_id: str | None
    """The run that has written it, or has brought a user's message into the thread."""
    assistant_id: str | None
    assistant_name: str | None
    metadata: dict[str, str]
    attachments: NotRequired[list[dict[str, Any]]]
    """Files, in the Assistants API's shape: `file_id` and `tools`, with `filename` and `bytes`."""
    phase: NotRequired[str]
    """What its model calls it, such as `commentary`; sent back to the same model only."""
    model: NotRequired[str]
    """The model that wrote it, if there is a phase."""


class ToolCallItem(TypedDict):
    """A model's request to call a tool."""

    type: Literal["tool_call"]
    id: str
    """Our id (`call_...`), made of run, turn and index; unique in the thread."""
    provider_id: str
    """The id for the provider: its own id if that is usable, otherwise ours."""
    name: str
    arguments: str
    run_id: str


OPEN_CALL_OUTPUT = (
    "The run ended before this call had an output. Whether it had an effect is not known."
)
"""The output of a call that had begun, or may have begun, when its run ended."""
UNBEGUN_OUTPUT = "The run ended before this call was begun. It was not executed."


class ToolOutputItem(TypedDict):
    """The call's output; if no run is active, every call of a thread has exactly one."""

    type: Literal["tool_output"]
    call_id: str
    provider_id: str
    output: str
    failed: bool
    run_id: str


CHAT_FIELDS = "chat_message"
"""The `type` in the data of a reasoning item that has the opaque fields of a turn in Chat
Completions; no type of the Responses API's items."""


class ReasoningItem(TypedDict):
    """A model's opaque reasoning; sent back only to the same model."""

    type: Literal["reasoning"]
    model: str
    data: dict[str, Any]
    run_id: str
    queue: NotRequired[str]
    """The queue of its run, if the run's assistant has one: workers of other queues may have
    another provider, to which it is not sent."""


class NoteItem(TypedDict):
    """A note of a run to its model, for example why its result was not accepted."""

    type: Literal["note"]
    text: str
    run_id: str


class HostedCallItem(TypedDict):
    """A call of a tool that the provider executed, with its outcome."""

    type: Literal["hosted_call"]
    kind: str
    """`code_interpreter`, `file_search` or `web_search`."""
    data: dict[str, Any]
    """The item as the provider takes it back."""
    run_id: str
    at: NotRequired[int]
    """When the call ended, in seconds since the epoch; its container lives for minutes more."""
    queue: NotRequired[str]
    """As of a reasoning item."""


Item = MessageItem | ToolCallItem | ToolOutputItem | ReasoningItem | HostedCallItem | NoteItem


@dataclass(frozen=True)
class ImportedItem:
    """An item of an imported conversation."""

    message_id: str
    """Empty if it is not a message."""
    text: str
    """The item as it is stored."""
    at: int
    """Its time, in milliseconds."""


class StoredItem(NamedTuple):
    """An item of a thread, as it was read."""

    item: Item
    at: int
    """Its time, in milliseconds."""
    position: int
    """In its thread, from 1; there are gaps if messages were deleted."""


def text_part(text: str) -> dict[str, Any]:
    """One text part of a message's content."""
    return {"type": "text", "text": {"value": text, "annotations": []}}


def image_part(file_id: str) -> dict[str, Any]:
    """One part of a message's content that is an image."""
    return {"type": "image_file", "image_file": {"file_id": file_id}}


def message_content(text: str, enclosed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of an assistant's message.

    Args:
        text: its text.
        enclosed: its `annotations` and the ids of its `images`, if it has any.
    """
    value, annotations = with_texts(text, enclosed.get("annotations", ()))
    part = {"type": "text", "text": {"value": value, "annotations": list(annotations)}}
    return [part, *map(image_part, enclosed.get("images", ()))]


def message_text(item: MessageItem) -> str:
    """The message's text parts, joined."""
    texts = (part["text"] for part in item["content"] if part["type"] == "text")
    return "".join(lenient.text(one.get("value")) for one in texts)


def text_for_model(item: MessageItem) -> str:
    """The message's text parts, joined, as their author wrote them."""
    texts = (part["text"] for part in item["content"] if part["type"] == "text")
    return "".join(
        without_markers(lenient.text(one.get("value")), lenient.objects(one.get("annotations")))
        for one in texts
    )
