"""What a model request looks like in Chat Completions."""

from __future__ import annotations

from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import Item, text_for_model
from threadmill_workers.models.request_parts import call_body, image_urls, without_none

Json = dict[str, Any]


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
        **_tools(request),
    }
    return without_none(body)


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
        "tools": [tool.api_form() for tool in request.tools],
        "tool_choice": request.tool_choice,
        "parallel_tool_calls": request.parallel_tool_calls,
    }
