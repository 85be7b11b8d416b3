"""What a model request looks like in the bodies of the two APIs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import Item, MessageItem, ToolCallItem, message_text
from threadmill_workers.models.hosted import KINDS, included, tool_bodies
from threadmill_workers.models.taken_back import taken_back

Json = dict[str, Any]
_REASONING = ["reasoning.encrypted_content"]
_CALLS = ("function_call", *KINDS)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LENGTH = 64
"""Characters of a function's name; providers take no more, and tools have no longer ones."""

# ---- Responses ---------------------------------------------------------------------------------


def responses_body(request: ModelRequest, *, encrypted_reasoning: bool = True) -> Json:
    """The body of `POST /responses`.

    Args:
        request: what to ask.
        encrypted_reasoning: whether to ask for reasoning that can be sent back.
    """
    body = {
        "model": request.model,
        "stream": True,
        "store": False,
        "include": [*_REASONING[:encrypted_reasoning], *included(request.hosted)] or None,
        "instructions": request.instructions or None,
        "input": _responses_input(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_output_tokens": request.max_completion_tokens,
        "text": _responses_text(request.response_format),
        **_responses_tools(request),
    }
    return _without_none(body)


def _responses_input(request: ModelRequest) -> list[Json]:
    entries = (_responses_entry(item, request) for item in request.items)
    return _without_lone_reasoning([entry for entry in entries if entry is not None])


def _responses_entry(item: Item, request: ModelRequest) -> Json | None:
    match item["type"]:
        case "message":
            return _responses_message(item, request)
        case "tool_call":
            return {
                "type": "function_call",
                "call_id": lenient.text(item["provider_id"]),
                **_function(item),
            }
        case "tool_output":
            return {
                "type": "function_call_output",
                "call_id": lenient.text(item["provider_id"]),
                "output": lenient.text(item["output"]),
            }
        case "reasoning":
            return taken_back(item["data"]) if item["model"] == request.model else None
        case "hosted_call":
            return taken_back(item["data"])
        case "note":
            return _users_words(lenient.text(item["text"]))


def _responses_message(item: MessageItem, request: ModelRequest) -> Json | None:
    text = message_text(item)
    if item["role"] == "user":
        urls = _image_urls(item, request)
        return _users_words(text, urls) if text or urls else None
    if not text:
        return None
    # An assistant's message needs id and status to be one of the model's own.
    return {
        "type": "message",
        "id": item["id"],
        "role": "assistant",
        "status": item["status"],
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def _users_words(text: str, image_urls: Sequence[str] = ()) -> Json:
    content: list[Json] = [{"type": "input_text", "text": text}] if text else []
    content += [{"type": "input_image", "detail": "auto", "image_url": url} for url in image_urls]
    return {"type": "message", "role": "user", "content": content}


def _image_urls(item: MessageItem, request: ModelRequest) -> list[str]:
    """The images of a message; those that are not at hand are left out."""
    urls = []
    for part in item["content"]:
        if part["type"] == "image_url":
            urls.append(part["image_url"]["url"])
        elif part["type"] == "image_file" and part["image_file"]["file_id"] in request.images:
            urls.append(request.images[part["image_file"]["file_id"]])
    return urls


def _without_lone_reasoning(entries: Sequence[Json]) -> list[Json]:
    """Leave out reasoning that nothing of the model's follows: the provider refuses it."""
    kept: list[Json] = []
    used = False
    for entry in reversed(entries):
        if entry["type"] != "reasoning":
            is_call = entry["type"] in _CALLS
            used = is_call or entry.get("role") == "assistant"
        elif not used:
            continue
        kept.append(entry)
    return kept[::-1]


def _responses_tools(request: ModelRequest) -> Json:
    hosted = list(tool_bodies(request.hosted))
    if not request.tools and not hosted:
        return {}
    choice = request.tool_choice
    if isinstance(choice, dict) and "function" in choice:
        choice = {"type": "function", "name": choice["function"]["name"]}
    return {
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in request.tools
        ]
        + hosted,
        "tool_choice": choice,
        "parallel_tool_calls": request.parallel_tool_calls,
    }


def _responses_text(response_format: str | Json | None) -> Json | None:
    if not isinstance(response_format, dict):
        return None
    if response_format["type"] == "json_schema":
        return {"format": {"type": "json_schema", **response_format["json_schema"]}}
    return {"format": response_format}


# ---- Chat Completions ----------------------------------------------------------------------------


def chat_body(request: ModelRequest) -> Json:
    """The body of `POST /chat/completions`."""
    response_format = request.response_format
    body = {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": _chat_messages(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_completion_tokens": request.max_completion_tokens,
        "response_format": response_format if isinstance(response_format, dict) else None,
        **_chat_tools(request),
    }
    return _without_none(body)


def _chat_messages(request: ModelRequest) -> list[Json]:
    messages: list[Json] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    for item in request.items:
        _add_to_chat(messages, item, request)
    return messages


def _add_to_chat(messages: list[Json], item: Item, request: ModelRequest) -> None:
    match item["type"]:
        case "message" if item["role"] == "user" and (urls := _image_urls(item, request)):
            text = message_text(item)
            content: list[Json] = [{"type": "text", "text": text}] if text else []
            content += [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            messages.append({"role": "user", "content": content})
        case "message":
            _add_text(messages, item["role"], message_text(item))
        case "tool_call":
            id, call = lenient.text(item["provider_id"]), _function(item)
            _assistant(messages).setdefault("tool_calls", []).append(
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


def _assistant(messages: list[Json]) -> Json:
    """The assistant's message that the next call belongs to."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    return messages[-1]


def _chat_tools(request: ModelRequest) -> Json:
    if not request.tools:
        return {}
    return {
        "tools": [tool.api_form() for tool in request.tools],
        "tool_choice": request.tool_choice,
        "parallel_tool_calls": request.parallel_tool_calls,
    }


# ---- both ----------------------------------------------------------------------------------------


def _function(call: ToolCallItem) -> Json:
    """Name and arguments of a call, in a form that every provider takes back.

    A model may make up any name, and write no JSON or break it. Providers check both, and servers
    parse the arguments for their prompt template: they would refuse the thread ever after. The
    call's output tells the model what was wrong.
    """
    name = _NOT_IN_NAMES.sub("_", lenient.text(call["name"]))[:_NAME_LENGTH]
    arguments = lenient.text(call["arguments"])
    return {
        "name": name or "unnamed",
        "arguments": arguments if lenient.is_object(arguments) else "{}",
    }


def sent_texts(request: ModelRequest) -> Iterable[str]:
    """All that users, models and tools wrote in this request, and the instructions."""
    yield request.instructions
    for item in request.items:
        match item["type"]:
            case "message":
                yield message_text(item)
            case "tool_call":
                yield lenient.text(item["arguments"])
            case "tool_output":
                yield lenient.text(item["output"])
            case "note":
                yield lenient.text(item["text"])
            case "hosted_call":
                yield from _strings(lenient.storable(item["data"]))
            case "reasoning":
                pass


def _strings(data: Any) -> Iterable[str]:
    """All strings in a JSON value."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from _strings(part)


def _without_none(body: Json) -> Json:
    return {name: value for name, value in body.items() if value is not None}
