"""Rules for what hosted tools name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from threadmill.testing.standin.rules.rule import (
    OPENAI_PACKAGE,
    RESPONSES_ONLY,
    Inspection,
    Violation,
    missing,
    not_one_of,
    rule,
)

_SIZES = frozenset({"low", "medium", "high"})


@rule(
    "code interpreters without a container, or with one that is not there",
    source=OPENAI_PACKAGE,
    apis=RESPONSES_ONLY,
)
def containers(request: Inspection) -> Iterator[Violation]:
    """Find containers that are not there."""
    for place, tool in request.tools:
        if tool.get("type") != "code_interpreter":
            continue
        container = tool.get("container")
        if isinstance(container, str):
            if container not in request.hosting.containers:
                yield Violation(f"Container with id '{container}' not found.", f"{place}.container")
        elif not isinstance(container, dict) or container.get("type") != "auto":
            yield missing(f"{place}.container")
        else:
            yield from _files(container.get("file_ids"), f"{place}.container", request)


@rule(
    "calls of the code interpreter in a container that has expired",
    source="https://community.openai.com/t/container-is-expired-error-in-openai-responses-api-"
    "stream/1321773",
    apis=RESPONSES_ONLY,
)
def expired_containers(request: Inspection) -> Iterator[Violation]:
    """Find calls whose container is gone."""
    for _, item in request.items:
        if item.get("type") == "code_interpreter_call":
            container = item.get("container_id")
            if isinstance(container, str) and container not in request.hosting.containers:
                yield Violation("Container is expired.")


@rule(
    "file searches without a vector store, or with one that is not there",
    source=OPENAI_PACKAGE,
    apis=RESPONSES_ONLY,
)
def vector_stores(request: Inspection) -> Iterator[Violation]:
    """Find vector stores that are not there."""
    for place, tool in request.tools:
        if tool.get("type") != "file_search":
            continue
        ids = tool.get("vector_store_ids")
        if not isinstance(ids, list) or not ids:
            yield missing(f"{place}.vector_store_ids")
            continue
        for id in ids:
            if str(id) not in request.hosting.vector_stores:
                yield Violation(
                    f"Vector store with id ['{id}'] not found.", f"{place}.vector_store_ids"
                )


@rule(
    "web searches with a context size, a place or filters of the wrong form",
    source=OPENAI_PACKAGE,
    apis=RESPONSES_ONLY,
)
def web_searches(request: Inspection) -> Iterator[Violation]:
    """Find options of a web search that it does not have."""
    for place, tool in request.tools:
        if tool.get("type") != "web_search":
            continue
        size = tool.get("search_context_size", "medium")
        if str(size) not in _SIZES:
            yield not_one_of(f"{place}.search_context_size", size, _SIZES)
        location = tool.get("user_location")
        if location is not None:
            kind = location.get("type") if isinstance(location, dict) else location
            if kind != "approximate":
                yield not_one_of(f"{place}.user_location.type", kind, ["approximate"])
        filters = tool.get("filters")
        for name in filters if isinstance(filters, dict) else ():
            if name != "allowed_domains":
                where = f"{place}.filters.{name}"
                yield Violation(f"Unknown parameter: '{where}'.", where, "unknown_parameter")


def _files(ids: Any, place: str, request: Inspection) -> Iterator[Violation]:
    for id in ids if isinstance(ids, list) else ():
        if str(id) not in request.hosting.files:
            yield Violation(f"File with id '{id}' not found.", f"{place}.file_ids")
