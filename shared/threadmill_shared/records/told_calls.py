"""Hosted calls told as text, for a request that cannot carry them as they were."""

from __future__ import annotations

from typing import Any

from threadmill_shared.records import lenient

Json = dict[str, Any]

_LONGEST = 8_000
"""Characters of each part: what a call has computed stays known, and a long log costs little."""


def tell_hosted_call(data: object) -> str:
    """What the provider's tool was asked and what came out; empty if there is nothing to tell."""
    call = lenient.json_object(data)
    match call.get("type"):
        case "code_interpreter_call":
            return _tell_code(call)
        case "file_search_call":
            return _tell_search(call)
        case "web_search_call":
            return _tell_web_search(call)
        case _:
            return ""


def _tell_code(call: Json) -> str:
    code = lenient.text(call.get("code"))
    outputs = lenient.objects(call.get("outputs"))
    logs = "\n".join(filter(str.strip, (lenient.text(one.get("logs")) for one in outputs)))
    if not code.strip() and not logs:
        return ""
    # Its variables and files are gone with its container.
    return (
        "(Earlier in this conversation the code interpreter executed the following code, in a"
        f" session that has ended.)\n{_cut(code)}\n\n(Its output:)\n{_cut(logs) or '(none)'}"
    )


def _tell_search(call: Json) -> str:
    queries = "; ".join(lenient.texts(call.get("queries")))
    found = [
        f"{lenient.text(one.get('filename')) or 'a file'}: {lenient.text(one.get('text'))}"
        for one in lenient.objects(call.get("results"))
    ]
    if not queries.strip() and not found:
        return ""
    results = _cut("\n\n".join(found)) or "(nothing)"
    return f"(Earlier in this conversation files were searched for: {_cut(queries)})\n{results}"


def _tell_web_search(call: Json) -> str:
    action = lenient.json_object(call.get("action"))
    queries = lenient.texts(action.get("queries")) or [lenient.text(action.get("query"))]
    wanted = "; ".join(filter(str.strip, [*queries, lenient.text(action.get("url"))]))
    return (
        f"(Earlier in this conversation the web was searched for: {_cut(wanted)})" if wanted else ""
    )


def _cut(text: str) -> str:
    left_out = len(text) - _LONGEST
    return f"{text[:_LONGEST]}\n({left_out} more characters)" if left_out > 0 else text
