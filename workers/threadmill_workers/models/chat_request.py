"""What a model request looks like in Chat Completions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records.items import Item, text_for_model
from threadmill_shared.tools import ToolSpec
from threadmill_workers.models.conversation import NO_MESSAGE, NO_OUTPUT, sendable_items
from threadmill_workers.models.field_rules import NO_RULES, FieldRules
from threadmill_workers.models.request_parts import (
    ShownImage,
    call_body,
    finished_body,
    sendable,
    shown_images,
    text_unless_blank,
    users_text,
)
from threadmill_workers.models.returned_fields import ReturnedFields
from threadmill_workers.models.schemas import sent_format, sent_parameters

Json = dict[str, Any]

logger = logging.getLogger("threadmill.worker")

_DESCRIPTION_LENGTH = 1024
"""Characters of a tool's description; OpenAI and Azure refuse the request for one more."""
_CUT = "..."


def chat_body(request: ModelRequest, rules: FieldRules = NO_RULES) -> Json:
    """The body of `POST /chat/completions`.

    Args:
        request: what to ask.
        rules: which opaque fields the model takes and insists on.
    """
    body = {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": _messages(request, ReturnedFields(request.model, rules)),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_completion_tokens": request.max_completion_tokens,
        "response_format": sent_format(request.response_format),
        "reasoning_effort": request.reasoning_effort,
        "verbosity": request.verbosity,
        "service_tier": request.service_tier,
        "safety_identifier": request.safety_identifier,
        **_tools(request),
    }
    return finished_body(sendable(body), request)


def _messages(request: ModelRequest, fields: ReturnedFields) -> list[Json]:
    messages: list[Json] = []
    for item in sendable_items(request, with_hosted_calls=False):
        fields.pass_item(item)
        _add_item(messages, item, request, fields)
    # Prompt templates want the user's message first, and do without a system's that is empty.
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": NO_MESSAGE})
    if instructions := text_unless_blank(request.instructions):
        messages.insert(0, {"role": "system", "content": instructions})
    return messages


def _add_item(
    messages: list[Json], item: Item, request: ModelRequest, fields: ReturnedFields
) -> None:
    match item["type"]:
        case "message" if item["role"] == "user":
            _add_users(messages, users_text(item, request), shown_images(item, request))
        case "message":
            if text := text_unless_blank(text_for_model(item)):
                fields.add_to_message(_add_assistants(messages, text))
        case "tool_call":
            call = {"id": item["provider_id"], "type": "function", "function": call_body(item)}
            fields.add_call(_last_assistant_message(messages), call)
        case "tool_output":
            output = text_unless_blank(item["output"]) or NO_OUTPUT
            id = item["provider_id"]
            messages.append({"role": "tool", "tool_call_id": id, "content": output})
        case "note":
            _add_users(messages, text_unless_blank(item["text"]), ())
        case "reasoning" | "hosted_call":
            pass


def _add_users(messages: list[Json], text: str, shown: Sequence[ShownImage]) -> None:
    """Add to the user's message: many prompt templates want user and assistant in turns."""
    images = [_image_part(*image) for image in shown]
    if not text and not images:
        return
    if not messages or messages[-1]["role"] != "user":
        messages.append({"role": "user", "content": ""})
    messages[-1]["content"] = _joined(messages[-1]["content"], text, images)


def _image_part(url: str, detail: str | None) -> Json:
    # Some providers do not know the detail: it is sent if somebody has asked for one.
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}


def _joined(content: str | list[Json], text: str, images: list[Json]) -> str | list[Json]:
    """The content of a message to which text and images are added; a text, if it is only that."""
    if isinstance(content, str) and not images:
        return _paragraphs(content, text)
    if isinstance(content, str):
        content = [_text_part(content)] if content else []
    parts = list(content)
    if text and parts and parts[-1]["type"] == "text":
        parts[-1] = _text_part(_paragraphs(parts[-1]["text"], text))
    elif text:
        parts.append(_text_part(text))
    return parts + images


def _text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def _paragraphs(*texts: str | None) -> str:
    return "\n\n".join(filter(None, texts))


def _add_assistants(messages: list[Json], text: str) -> Json:
    # Also after the calls of its turn: outputs must follow their calls directly.
    message = _last_assistant_message(messages)
    message["content"] = _paragraphs(message["content"], text)
    return message


def _last_assistant_message(messages: list[Json]) -> Json:
    """The assistant's message that the next text or call belongs to."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    return messages[-1]


def _tools(request: ModelRequest) -> Json:
    if not request.tools:
        return {}
    return {
        "tools": [_tool(tool) for tool in request.tools],
        "tool_choice": request.tool_choice,
        "parallel_tool_calls": request.parallel_tool_calls,
    }


def _tool(tool: ToolSpec) -> Json:
    """A tool with a description that Chat Completions takes.

    A longer one is not refused where the tool is offered: the producer does not know which API a
    worker uses, and the Responses API takes the whole text.
    """
    body = tool.api_form()
    body["function"]["parameters"] = sent_parameters(tool)
    if len(tool.description) > _DESCRIPTION_LENGTH:
        body["function"]["description"] = _shortened(tool.name, tool.description)
    return body


@lru_cache(maxsize=256)
def _shortened(name: str, description: str) -> str:
    """The beginning of a description, up to the end of a word; logged once for each."""
    logger.warning(
        "the description of the tool %s has %d characters; Chat Completions gets the first %d",
        name,
        len(description),
        _DESCRIPTION_LENGTH,
    )
    room = _DESCRIPTION_LENGTH - len(_CUT)
    beginning = description[:room]
    if not description[room].isspace():
        # A word that fills half of the room is cut.
        whole_words = beginning.rsplit(maxsplit=1)[0]
        beginning = whole_words if len(whole_words) > room // 2 else beginning
    return beginning.rstrip() + _CUT
