"""What a model request looks like in Chat Completions."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import Item, text_for_model
from threadmill_shared.tools import ToolSpec
from threadmill_workers.models.request_parts import call_body, finished_body, image_urls

Json = dict[str, Any]

logger = logging.getLogger("threadmill.worker")

_DESCRIPTION_LENGTH = 1024
"""Characters of a tool's description; OpenAI and Azure refuse the request for one more."""
_CUT = "..."


def chat_body(request: ModelRequest) -> Json:
    """The body of `POST /chat/completions`."""
    response_format = request.response_format
    body = {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": _messages(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_completion_tokens": request.max_completion_tokens,
        "response_format": response_format if isinstance(response_format, dict) else None,
        "reasoning_effort": request.reasoning_effort,
        "verbosity": request.verbosity,
        "service_tier": request.service_tier,
        "safety_identifier": request.safety_identifier,
        **_tools(request),
    }
    return finished_body(body, request)


def _messages(request: ModelRequest) -> list[Json]:
    messages: list[Json] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    for item in request.items:
        _add_item(messages, item, request)
    return messages


def _add_item(messages: list[Json], item: Item, request: ModelRequest) -> None:
    match item["type"]:
        case "message" if item["role"] == "user" and (urls := image_urls(item, request)):
            text = text_for_model(item)
            content: list[Json] = [{"type": "text", "text": text}] if text else []
            content += [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            messages.append({"role": "user", "content": content})
        case "message":
            _add_text(messages, item["role"], text_for_model(item))
        case "tool_call":
            id, call = lenient.text(item["provider_id"]), call_body(item)
            _last_assistant_message(messages).setdefault("tool_calls", []).append(
                {"id": id, "type": "function", "function": call}
            )
        case "tool_output":
            id, output = lenient.text(item["provider_id"]), lenient.text(item["output"])
            messages.append({"role": "tool", "tool_call_id": id, "content": output})
        case "note":
            _add_text(messages, "user", lenient.text(item["text"]))
        case "reasoning" | "hosted_call":
            pass


def _add_text(messages: list[Json], role: str, text: str) -> None:
    if not text:
        return
    if role == "assistant" and messages and "tool_calls" in messages[-1]:
        # The text of a turn that called tools first: outputs must follow their calls directly.
        messages[-1]["content"] = (messages[-1]["content"] or "") + text
    else:
        messages.append({"role": role, "content": text})


def _last_assistant_message(messages: list[Json]) -> Json:
    """The assistant's message that the next call belongs to."""
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

    Not refused where the tool is offered: the producer does not know which API a worker uses, and
    the Responses API takes the whole text.
    """
    body = tool.api_form()
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
