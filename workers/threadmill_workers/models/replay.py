"""Items that a provider made, as it accepts them back with the conversation.

It refuses a request in which one of them lacks something, and with it the thread ever after. So
an item that is not whole is left out: the model can do without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from threadmill_shared.records import lenient

Json = dict[str, Any]

_STATUSES = frozenset(
    {"in_progress", "searching", "interpreting", "completed", "incomplete", "failed"}
)
_FIT_IDS = {
    kind: re.compile(rf"{prefix}[a-zA-Z0-9_-]{{1,62}}")
    for kind, prefix in (
        ("reasoning", "rs"),
        ("code_interpreter_call", "ci"),
        ("file_search_call", "fs"),
        ("web_search_call", "ws"),
    )
}
"""Providers check the beginning of an id, and take at most 64 characters."""
_PART = ("type", "text")
_RESULT: dict[str, Callable[[object], object]] = {
    "file_id": lenient.text,
    "filename": lenient.text,
    "score": lenient.number,
    "text": lenient.text,
    "attributes": lenient.json_object,
}


def replayable_item(data: object) -> Json | None:
    """The item that was stored as `data`; None if it is not whole."""
    item = lenient.json_object(lenient.storable(data))
    make = _KINDS.get(lenient.text(item.get("type")))
    return make(item) if make is not None and _has_fit_id(item) else None


def _has_fit_id(item: Json) -> bool:
    """Whether the item's id is of its type; without one only reasoning is taken."""
    id, kind = item.get("id"), lenient.text(item["type"])
    if id is None:
        return kind == "reasoning"
    return isinstance(id, str) and _FIT_IDS[kind].fullmatch(id) is not None


def _reasoning(item: Json) -> Json | None:
    content, encrypted = item.get("content"), item.get("encrypted_content")
    if not isinstance(content, list | None) or not isinstance(encrypted, str | None):
        return None
    summary = [one for one in lenient.objects(item.get("summary")) if _has_texts(one, "text")]
    made = item | {"summary": [one | {"type": "summary_text"} for one in summary]}
    if content is not None:
        made["content"] = [one for one in lenient.objects(content) if _has_texts(one, *_PART)]
    return made if made.get("content") or encrypted else None


def _code(item: Json) -> Json | None:
    if not _has_texts(item, "id", "container_id", "code"):
        return None
    return item | {"status": _status(item), "outputs": lenient.objects(item.get("outputs"))}


def _search(item: Json) -> Json | None:
    if not _has_texts(item, "id"):
        return None
    results = item.get("results")
    kept = [_result(one) for one in lenient.objects(results)]
    made = item | {"status": _status(item), "queries": lenient.texts(item.get("queries"))}
    return made if results is None else made | {"results": kept}


def _web(item: Json) -> Json | None:
    action = lenient.json_object(item.get("action"))
    needed = _ACTIONS.get(lenient.text(action.get("type")))
    if needed is None or not _has_texts(item, "id") or not _has_texts(action, *needed):
        return None
    # The pages' addresses are for people: the model has read the pages, and cites them.
    kept = {n: action[n] for n in ("type", "query", "queries", "url", "pattern") if action.get(n)}
    return {"type": item["type"], "id": item["id"], "status": _status(item), "action": kept}


_ACTIONS: dict[str, tuple[str, ...]] = {
    "search": (),
    "open_page": (),
    "find_in_page": ("url", "pattern"),
}
"""What each action of a web search needs."""
_KINDS = {
    "reasoning": _reasoning,
    "code_interpreter_call": _code,
    "file_search_call": _search,
    "web_search_call": _web,
}


def _has_texts(item: Json, *names: str) -> bool:
    return all(isinstance(item.get(name), str) for name in names)


def _status(item: Json) -> str:
    status = lenient.text(item.get("status"))
    return status if status in _STATUSES else "completed"


def _result(found: Json) -> Json:
    return {n: make(found[n]) for n, make in _RESULT.items() if found.get(n) is not None}
