"""Hosted tools in the Responses API: what is asked for, and what its items mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch, HostedTool, WebSearch
from threadmill_shared.model import HostedCallEnded, HostedKind
from threadmill_shared.records import lenient

Json = dict[str, Any]

KINDS: dict[str, HostedKind] = {
    "code_interpreter_call": "code_interpreter",
    "file_search_call": "file_search",
    "web_search_call": "web_search",
}
"""Items of hosted calls, by their type."""
_INCLUDED = {
    "code_interpreter": "code_interpreter_call.outputs",
    "file_search": "file_search_call.results",
    "web_search": "web_search_call.action.sources",
}
"""What is only sent when it is asked for."""


def tool_bodies(tools: Sequence[HostedTool]) -> Iterator[Json]:
    """The tools as a request names them; a search that has nowhere to search is left out."""
    for tool in tools:
        if isinstance(tool, CodeInterpreter):
            yield {"type": tool.type, "container": tool.container or _new_container(tool)}
        elif isinstance(tool, WebSearch):
            yield _web_search(tool)
        elif tool.vector_store_ids:
            yield _search(tool)


def included_outputs(tools: Sequence[HostedTool]) -> list[str]:
    """What a request asks for besides, so that the items of these tools are whole."""
    return [_INCLUDED[tool.type] for tool in tools]


def parse_hosted_call(item: Json) -> HostedCallEnded:
    """Read the item of a hosted call that has ended."""
    failed = item.get("status") in ("failed", "incomplete")
    if item["type"] == "web_search_call":
        return HostedCallEnded("web_search", _web_data(item), _web_details(item), (), failed)
    if item["type"] == "file_search_call":
        return HostedCallEnded("file_search", _search_data(item), _search_details(item), (), failed)
    outputs = lenient.objects(item.get("outputs"))
    logs = [_logs(one) for one in outputs if one.get("type") == "logs"]
    images = [lenient.text(one.get("url")) for one in outputs if one.get("type") == "image"]
    details = {"input": lenient.text(item.get("code")), "outputs": logs}
    # Sent back without the images: each would be as long as a book, in every further request.
    data = {name: item.get(name) for name in ("type", "id", "container_id", "status")}
    stored = lenient.storable(data | {"code": details["input"], "outputs": logs})
    return HostedCallEnded("code_interpreter", stored, details, images, failed)


def _logs(output: Json) -> Json:
    return {"type": "logs", "logs": lenient.text(output.get("logs"))}


def _new_container(tool: CodeInterpreter) -> Json:
    container: Json = {"type": "auto"}
    if tool.file_ids:
        container["file_ids"] = list(tool.file_ids)
    if tool.memory_limit:
        container["memory_limit"] = tool.memory_limit
    if tool.network_policy:
        container["network_policy"] = tool.network_policy
    return container


def _search(tool: FileSearch) -> Json:
    body: Json = {"type": tool.type, "vector_store_ids": list(tool.vector_store_ids)}
    for name in ("max_num_results", "filters", "ranking_options"):
        if (value := getattr(tool, name)) is not None:
            body[name] = value
    return body


def _web_search(tool: WebSearch) -> Json:
    body: Json = {"type": tool.type}
    for name in ("filters", "search_context_size", "external_web_access"):
        if (value := getattr(tool, name)) is not None:
            body[name] = value
    if tool.user_location is not None:
        body["user_location"] = {"type": "approximate", **tool.user_location}
    return body


def _web_data(item: Json) -> Json:
    kept = {name: item[name] for name in ("type", "id", "status", "action") if item.get(name)}
    return lenient.json_object(lenient.storable(kept))


def _web_details(item: Json) -> Json:
    action = lenient.json_object(item.get("action"))
    query = lenient.text(action.get("query"))
    details: Json = {
        "action": lenient.text(action.get("type")) or "search",
        "queries": lenient.texts(action.get("queries")) or ([query] if query else []),
        "sources": [url for url in map(_url, lenient.objects(action.get("sources"))) if url],
    }
    texts = {name: lenient.text(action.get(name)) for name in ("url", "pattern")}
    return details | {name: text for name, text in texts.items() if text}


def _url(source: Json) -> str:
    return lenient.text(source.get("url"))


def _search_data(item: Json) -> Json:
    names = ("type", "id", "queries", "status", "results")
    kept = {name: item[name] for name in names if item.get(name) is not None}
    return lenient.json_object(lenient.storable(kept))


def _search_details(item: Json) -> Json:
    return {
        "queries": lenient.texts(item.get("queries")),
        "results": [_result(one) for one in lenient.objects(item.get("results"))],
    }


def _result(found: Json) -> Json:
    return {
        "file_id": lenient.text(found.get("file_id")),
        "file_name": lenient.text(found.get("filename")),
        "score": lenient.number(found.get("score")),
        "content": [{"type": "text", "text": lenient.text(found.get("text"))}],
    }
