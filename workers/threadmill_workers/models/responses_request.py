"""What a model request looks like in the Responses API."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import Item, MessageItem, text_for_model
from threadmill_workers.models.conversation import NO_MESSAGE, NO_OUTPUT, sendable_items
from threadmill_workers.models.hosted import KINDS, included_outputs, tool_bodies
from threadmill_workers.models.replay import replayable_item
from threadmill_workers.models.request_parts import (
    ShownImage,
    call_body,
    finished_body,
    sendable,
    shown_images,
    text_unless_blank,
    users_text,
)
from threadmill_workers.models.schemas import sent_format, sent_parameters

Json = dict[str, Any]

_REASONING = ["reasoning.encrypted_content"]
_CALLS = ("function_call", *KINDS)
_WEB_SEARCH = {"type": "web_search"}
"""The API has no choice of its own for it, as it has for other hosted tools."""
_PHASE = re.compile(r"[a-z_]{1,40}")
_FIT_MESSAGE_ID = re.compile(r"msg[a-zA-Z0-9_-]{1,61}")


def responses_body(request: ModelRequest, *, encrypted_reasoning: bool = True) -> Json:
    """The body of `POST /responses`.

    Args:
        request: what to ask.
        encrypted_reasoning: whether to ask for reasoning that can be sent back.
    """
    effort = request.reasoning_effort
    body = {
        "model": request.model,
        "stream": True,
        "store": False,
        "include": [*_REASONING[:encrypted_reasoning], *included_outputs(request.hosted)] or None,
        "instructions": text_unless_blank(request.instructions) or None,
        "input": _input(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_output_tokens": request.max_completion_tokens,
        "text": _text_options(request),
        "reasoning": {"effort": effort} if effort else None,
        "service_tier": request.service_tier,
        "safety_identifier": request.safety_identifier,
        **_tools(request),
    }
    return finished_body(sendable(body), request)


def _input(request: ModelRequest) -> list[Json]:
    message_ids: set[str] = set()
    items = sendable_items(request, with_hosted_calls=True)
    entries = (_entry(item, request, message_ids) for item in items)
    known = [entry for entry in entries if entry is not None]
    calls_once = _once_each(known, lambda entry: entry["type"] != "reasoning")
    sent = _once_each(_without_lone_reasoning(calls_once), lambda _: True)
    return sent or [_user_message(NO_MESSAGE)]


def _entry(item: Item, request: ModelRequest, message_ids: set[str]) -> Json | None:
    """The item as it is sent; None if there is nothing of it to send."""
    match item["type"]:
        case "message":
            return _message(item, request, message_ids)
        case "tool_call":
            return {"type": "function_call", "call_id": item["provider_id"], **call_body(item)}
        case "tool_output":
            output = text_unless_blank(item["output"]) or NO_OUTPUT
            return {
                "type": "function_call_output",
                "call_id": item["provider_id"],
                "output": output,
            }
        case "reasoning" if item["model"] != request.model:
            return None
        case "reasoning" | "hosted_call":
            return replayable_item(item["data"])
        case "note":
            text = text_unless_blank(item["text"])
            return _user_message(text) if text else None


def _message(item: MessageItem, request: ModelRequest, taken: set[str]) -> Json | None:
    """A message; its id is added to those that are taken."""
    if item["role"] == "user":
        text, images = users_text(item, request), shown_images(item, request)
        return _user_message(text, images) if text or images else None
    text = text_unless_blank(text_for_model(item))
    if not text:
        return None
    id = _message_id(lenient.text(item["id"]), taken)
    taken.add(id)
    # An assistant's message needs id and status to be one of the model's own.
    message = {
        "type": "message",
        "id": id,
        "role": "assistant",
        "status": item["status"],
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    if item.get("model") == request.model and _PHASE.fullmatch(lenient.text(item.get("phase"))):
        message["phase"] = item["phase"]
    return message


def _message_id(id: str, taken: Collection[str]) -> str:
    """The message's id; one of ours if it is not fit, as an imported one, or another message's."""
    fit, number = id, 0
    while fit in taken or not _FIT_MESSAGE_ID.fullmatch(fit):
        seed = f"{id} {number}".encode(errors="replace")
        fit, number = f"msg_{hashlib.sha256(seed).hexdigest()[:32]}", number + 1
    return fit


def _user_message(text: str, images: Sequence[ShownImage] = ()) -> Json:
    content: list[Json] = [{"type": "input_text", "text": text}] if text else []
    content += [
        {"type": "input_image", "detail": detail or "auto", "image_url": url}
        for url, detail in images
    ]
    return {"type": "message", "role": "user", "content": content}


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


def _once_each(entries: Sequence[Json], applies: Callable[[Json], bool]) -> list[Json]:
    """Leave out what has the id of an earlier entry: the provider refuses a second one."""
    first = {entry["id"]: entry for entry in reversed(entries) if "id" in entry}
    return [e for e in entries if "id" not in e or not applies(e) or first[e["id"]] is e]


def _tools(request: ModelRequest) -> Json:
    hosted = list(tool_bodies(request.hosted))
    if not request.tools and not hosted:
        return {}
    return {
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": sent_parameters(tool),
                "strict": tool.strict,
            }
            for tool in request.tools
        ]
        + hosted,
        "tool_choice": _choice(request.tool_choice, {one["type"] for one in hosted}),
        "parallel_tool_calls": request.parallel_tool_calls,
    }


def _choice(choice: str | Json | None, hosted: Collection[str]) -> str | Json | None:
    """The API's form of a choice; `hosted` are the types of the hosted tools that are sent."""
    if not isinstance(choice, dict):
        return choice
    if "function" in choice:
        return {"type": "function", "name": choice["function"]["name"]}
    if choice == _WEB_SEARCH:
        return {"type": "allowed_tools", "mode": "required", "tools": [_WEB_SEARCH]}
    # A search is not sent if none of its files can be searched.
    return choice if choice["type"] in hosted else "auto"


def _text_options(request: ModelRequest) -> Json | None:
    verbosity = {"verbosity": request.verbosity} if request.verbosity else {}
    return ((_text_format(request.response_format) or {}) | verbosity) or None


def _text_format(response_format: str | Json | None) -> Json | None:
    wanted = sent_format(response_format)
    if wanted is None:
        return None
    if wanted["type"] == "json_schema":
        return {"format": {"type": "json_schema", **wanted["json_schema"]}}
    return {"format": wanted}
