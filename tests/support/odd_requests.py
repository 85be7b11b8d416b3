"""Requests as nobody should send them, made of the gateway's own description and then spoilt.

Ids are written as words, `$THREAD` for one, since they are known only once there is a gateway.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from threadmill_gateway.description import openapi
from threadmill_gateway.routes import PREFIXES

Json = dict[str, Any]
IDS = ("$ASSISTANT", "$THREAD", "$LOCKED", "$RUN", "$MESSAGE", "$STEP", "$FILE")
"""What exists; `$LOCKED` is a thread with an active run, `$RUN`."""
_KNOWN = {
    "assistant_id": "$ASSISTANT",
    "run_id": "$RUN",
    "message_id": "$MESSAGE",
    "step_id": "$STEP",
    "file_id": "$FILE",
}
_ODD_TEXTS = [
    *("", " ", "\x00", "a\x00b", "\n", "'", '"', "'\"", "\\", "{{ x }}", "{% if %}", "é" * 300),
    *("x" * 600, "../..", "%00", "%", "?", "#", "\u2028", "\U0001f3b2", "undefined", "null"),
    *("thread_", "run_", "msg_", "step_", "asst_", "file-", "call_", "thread_" + "a" * 300),
    *("thread_x", "run_" + "0" * 32, "msg_none", "step_1", "asst_none", "file-none", "auto"),
]
_ODD_NUMBERS = [0, -1, 1, 255, 256, 2**31, 2**53 + 1, 2**64, 10**30, 0.5, -0.0, 1e300, 10**309]
_ODD_VALUES: list[Any] = [
    *(None, True, False, [], {}, [[]], [None], [{}], {"": None}, {"type": None}, {"type": "text"}),
    *(*_ODD_NUMBERS, *_ODD_TEXTS),
]
_ODD_JSON = [
    *(b"", b" ", b"{", b"}", b"[]", b"null", b"1", b'"x"', b"{}{}", b"{'a': 1}", b"\xff\xfe{}"),
    *(b"\xef\xbb\xbf{}", b"{}\x00", b'{"a": }', b"[" * 100_000, b'{"a":' * 5_000, b"\x00"),
    *(
        b'{"metadata": ' * 150 + b"1" + b"}" * 150,
        b'{"messages": ' + b"[" * 150 + b"]" * 150 + b"}",
    ),
]
_ODD_TOKENS = [
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "0." + "1" * 5000, "1e-999"),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "tru", "[" * 190 + "]" * 190, "01", "+1"),
]
_CONTENT_TYPES = [
    *("application/json", "application/json; charset=utf-8", "Application/JSON", "", "text/plain"),
    *(
        "application/vnd.api+json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "/",
        ";",
    ),
    *("application/json; charset=utf-16", "application/x-www-form-urlencoded", "é"),
    *("multipart/form-data; boundary=b; charset=none", 'multipart/form-data; boundary="b'),
]
_ODD_HEADERS = {
    "openai-beta": ["assistants=v2", "assistants=v1", "assistants=", "", "x=y"],
    "threadmill-when-busy": ["reject", "queue", "interrupt", "", "QUEUE", "never"],
    "threadmill-approvals": ["show", "hide", ""],
    "threadmill-events": ["all", "none", ""],
    "idempotency-key": ["key", "", "k" * 600, "é"],
    "x-stainless-retry-count": ["0", "1", "-1", "x", "9" * 30],
    "last-event-id": ["0", "1", "-1", "1e3", "9" * 15, "9" * 30, "٣", "x"],
    "prefer": ["wait=0", "wait=", "wait=x", "respond-async"],
    "content-encoding": ["gzip", "identity", "x"],
    "accept": ["text/event-stream", "*/*", ""],
    "accept-encoding": ["gzip", "identity;q=0"],
    "authorization": ["Bearer x", "Bearer", "", "Basic eA=="],
    "expect": ["x"],
    "cookie": ["a=b", "é"],
    "range": ["bytes=0-1", "bytes=x"],
}
_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]


_WAYS = ["method", "path", "ids", "query", "headers", "values", "body"]
"""In which a request can be spoilt: `values` are those of a body, `body` is its text."""


@dataclass(frozen=True)
class OddRequest:
    """One request; in its path, query and body are words for ids."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_chunked: bool = False


texts = st.sampled_from(_ODD_TEXTS) | st.text(max_size=20)
_values = st.sampled_from(_ODD_VALUES)
_coins = st.integers(0, 9)


@st.composite
def odd_requests(draw: st.DrawFn) -> OddRequest:
    """Any call of the API, spoilt in none, one or two ways."""
    method, path, operation = draw(st.sampled_from(_OPERATIONS))
    ways = draw(st.sets(st.sampled_from(_WAYS), max_size=2))
    headers, body = draw(_bodies(operation.get("requestBody", {}).get("content", {}), ways))
    query = [
        (one["name"], draw(_parameter(one["name"])))
        for one in operation["parameters"]
        if one["in"] == "query" and "query" in ways and draw(st.booleans())
    ]
    if "{run_id}" in path and "ids" not in ways:
        path = path.replace("{thread_id}", "$LOCKED")
    path = re.sub(r"{(\w+)}", lambda found: draw(_path_ids(found[1], ways)), path)
    path = draw(st.sampled_from(PREFIXES)) + path.removeprefix("/v1")
    if "query" in ways and draw(st.booleans()):
        query.append((draw(texts), draw(texts)))
    if "method" in ways:
        method = draw(st.sampled_from(_METHODS))
    if "path" in ways:
        path += draw(st.sampled_from(["/", "//", "/x", "/%00", "/../..", "%2f", "/" + "a" * 5000]))
    if "headers" in ways:
        name = draw(st.sampled_from([*_ODD_HEADERS, "content-type"]))
        headers[name] = draw(st.sampled_from(_ODD_HEADERS.get(name, _CONTENT_TYPES)))
    return OddRequest(method, path, query, headers, body, is_chunked=draw(_coins) == 0)


def _path_ids(name: str, ways: set[str]) -> st.SearchStrategy[str]:
    known = ["$THREAD", "$LOCKED"] if name == "thread_id" else [_KNOWN.get(name, "gpt")]
    return st.sampled_from(_ODD_TEXTS[1:] + [*IDS] * 3 if "ids" in ways else known)


def _parameter(name: str) -> st.SearchStrategy[str]:
    known = {"limit": ["1", "2", "100", "101", "0", "-1", "x", "1.5", "9" * 5000, "٣", "1_0"]}
    known |= {"order": ["asc", "desc", "ASC"], "purpose": ["assistants", "vision"]}
    return st.sampled_from(known.get(name, [*IDS, "msg_none"])) | texts


# ---- bodies --------------------------------------------------------------------------------------


@st.composite
def _bodies(draw: st.DrawFn, content: Json, ways: set[str]) -> tuple[dict[str, str], bytes]:
    if "multipart/form-data" in content:
        return draw(_forms(ways))
    headers = {"content-type": "application/json"}
    if "body" in ways and draw(_coins) < 2:
        return headers, draw(st.sampled_from(_ODD_JSON) | st.binary(max_size=40))
    if not content:
        return headers, b""
    value = draw(_fitting(content["application/json"]["schema"]))
    for _ in range(draw(st.integers(1, 2)) if "values" in ways else 0):
        value = _spoilt(draw, value)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if "body" in ways:
        text = draw(_written(text))
    return headers, text.encode("utf-8", "surrogatepass")


@st.composite
def _written(draw: st.DrawFn, text: str) -> str:
    """The JSON text, in some cases with what no JSON writer makes."""
    match draw(st.integers(0, 3)):
        case 0:
            return text[: draw(st.integers(0, len(text)))]
        case 1:  # the same name twice
            return re.sub(r'("\w+": )', r"\1null, \1", text, count=1)
        case _:  # in the place of some value
            places = [found.end() for found in re.finditer(r'(?<=": )', text)]
            at = draw(st.sampled_from(places)) if places else 0
            token = draw(st.sampled_from(_ODD_TOKENS))
            return text[:at] + re.sub(r'^("[^"]*"|[^,}\]]*)', lambda _: token, text[at:])


@st.composite
def _fitting(draw: st.DrawFn, schema: Json) -> Any:
    """A value that fits the schema, or nearly: patterns and rules in code are not looked at."""
    if "$ref" in schema:
        schema = openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return draw(_fitting(draw(st.sampled_from(options))))
    if "const" in schema or "enum" in schema:
        return draw(st.sampled_from(schema.get("enum") or [schema["const"]]))
    match schema.get("type"):
        case "object" if "properties" in schema:
            return draw(_object(schema))
        case "object":
            return draw(st.dictionaries(texts, texts, max_size=2))
        case "array":
            return draw(st.lists(_fitting(schema["items"]), max_size=2))
        case "integer" | "number":
            low, high = schema.get("minimum", 0), schema.get("maximum", 10**6)
            return draw(st.integers(int(low), int(high)))
        case "boolean" | "null" as kind:
            return draw(st.booleans()) if kind == "boolean" else None
        case _:
            usual = st.sampled_from(["x", "add", "Hello!", "gpt-5.4-mini"])
            return draw(usual if draw(_coins) else texts)


@st.composite
def _object(draw: st.DrawFn, schema: Json) -> Any:
    required = schema.get("required", ())
    found = {}
    for name, one in schema["properties"].items():
        if name in required or draw(_coins) < 3:
            known = name in _KNOWN and draw(_coins) < 9
            found[name] = _KNOWN[name] if known else draw(_fitting(one))
    return found


def _spoilt(draw: st.DrawFn, value: Any) -> Any:
    """The value with something odd in one place of it, at any depth."""
    if isinstance(value, dict) and value and draw(_coins) < 8:
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: _spoilt(draw, value[name])}
    if isinstance(value, list) and value and draw(_coins) < 8:
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], _spoilt(draw, value[at]), *value[at + 1 :]]
    if isinstance(value, dict) and draw(st.booleans()):
        return value | {draw(texts): draw(_values)}
    if isinstance(value, list) and value and draw(st.booleans()):
        return value * draw(st.sampled_from([2, 30, 200]))
    return draw(_values)


# ---- forms ---------------------------------------------------------------------------------------


@st.composite
def _forms(draw: st.DrawFn, ways: set[str]) -> tuple[dict[str, str], bytes]:
    parts = draw(st.permutations(_PARTS[:2]))
    if "values" in ways:
        parts = parts + draw(st.lists(st.sampled_from(_PARTS), max_size=10))
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    if draw(_coins) < 2:
        body = draw(
            st.sampled_from([body[:-4], body[: len(body) // 2], body + b"x", b"", body * 2])
        )
    content_type = draw(st.sampled_from(_FORM_TYPES if "ids" in ways else _FORM_TYPES[:1]))
    return {"content-type": content_type}, body


def _part(disposition: str, content: bytes, *more: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *more, "", ""]
    return "\r\n".join(lines).encode() + content


_PARTS = [
    _part('form-data; name="file"; filename="a.txt"', b"hello"),
    _part('form-data; name="purpose"', b"assistants"),
    _part('form-data; name="purpose"', b"\xff\x00"),
    _part('form-data; name="expires_after[seconds]"', b"3600"),
    _part('form-data; name="expires_after[anchor]"', b"created_at"),
    _part('form-data; name="expires_after[seconds]"', b"9" * 5000),
    _part('form-data; name="expires_after"', b"x"),
    _part('form-data; name="expires_after[a][b]"', b"x"),
    _part('form-data; name="file"', b"text, not a file"),
    _part('form-data; name="purpose"; filename="p"', b"assistants"),
    _part('form-data; name="expires_after[seconds]"; filename="s"', b"3600"),
    _part('form-data; name="file"; filename=""', b""),
    _part('form-data; name="file"; filename="\x00../é\n.png"', b"x", "Content-Type: image/png"),
    _part('form-data; name="file"; filename="' + "n" * 3000 + '"', b"x"),
    _part("form-data", b"no name"),
    _part("form-data; name=\"\"; filename*=utf-8''%e2%82", b"x"),
    _part("attachment", b"x", "Content-Type: \xe9"),
    _part('form-data; name="file"; filename="big"', b"x" * 70_000),
    _part('form-data; name="purpose"', b"x" * 70_000),
    b"no header\r\n\r\n",
    b"",
]
_FORM_TYPES = [
    "multipart/form-data; boundary=b",
    "multipart/form-data; boundary=c",
    "multipart/form-data; boundary=b; charset=utf-7",
    "multipart/form-data; boundary=b; charset=none",
    "multipart/form-data; boundary=" + "b" * 300,
    "multipart/form-data; boundary=é",
    "multipart/form-data",
    "application/json",
    "application/x-www-form-urlencoded",
    "",
]
_OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in openapi()["paths"].items()
    for method, operation in operations.items()
]
