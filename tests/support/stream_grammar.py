"""Streams of both model APIs from a grammar of legal and odd chunks, and the answer in each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from tests.support.odd_streams import CUTS, USAGE, call, chunk, delta, event, piece, said
from tests.support.stream_reading import Answer

from threadmill_shared.model import FinishReason

Json = Any

_LETTERS = "ab é🌍{}\"\\\n'%"
_CUT_IN = [("utf-16-le", 2, "surrogatepass"), ("utf-8", 1, "surrogateescape")]
"""Encodings in whose units texts are cut, their bytes, and how a part of a character is written."""
NOTHING: list[Json] = [
    b": comment\n\n",
    b"event: ping\ndata: 17\n\n",
    b"retry: 9\n\n",
    b"data:\n\n",
    b"data: {}\n\n",
    b"data: null\n\n",
    b'data: {"type": "ping"}\n\n',
    b"data: keep-alive\n\n",
]
"""What means nothing in either API."""
CHAT_NOTHING: list[Json] = [
    chunk(),
    chunk({}),
    said(None),
    said(""),
    {"choices": []},
    {"choices": None},
    {"id": "c"},
    said([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
    {"choices": [{"index": 1, "delta": {"content": "No"}, "finish_reason": "length"}]},
    chunk({"reasoning_content": "Hm."}),
    chunk(
        {"content": None, "reasoning": "Hm.", "reasoning_details": [{"text": "Hm.", "index": 0}]}
    ),
    chunk({"content": "", "extra_content": {"google": {"thought_signature": "c2ln"}}}),
    chunk({"thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": ""}]}),
    chunk({"provider_specific_fields": {"thought_signatures": ["c2ln"]}}),
    chunk({"tool_calls": None}),
    chunk({"tool_calls": []}),
    {"usage": USAGE},
    {"usage": dict.fromkeys(USAGE)},
    {"usage": {"prompt_tokens": "9", "completion_tokens": 4.0}, "choices": []},
]
RESPONSES_NOTHING: list[Json] = [
    event("created", response={"id": "r1", "output": []}),
    event("in_progress", response=None),
    event("of_a_new_kind", delta="?"),
    event("reasoning_text.delta", delta="Hm."),
    delta(None),
    delta(""),
    event("output_item.done", item=None),
    event("output_item.done", item={"type": "of_a_new_kind"}),
]


@dataclass(frozen=True)
class SentStream:
    """A body as a provider sends it."""

    api: str
    pieces: Sequence[bytes]
    is_broken: bool
    """Whether the connection breaks at its end."""
    answer: Answer | None
    """None: the body has no whole answer."""


# ---- answers -------------------------------------------------------------------------------------

Call = tuple[str, str]


def _calls() -> st.SearchStrategy[Call]:
    grams = st.integers(0, 999).map(lambda grams: ("weigh", {"grams": grams}))
    colours = st.text(_LETTERS, max_size=8).map(lambda colour: ("paint", {"colour": colour}))
    made = st.one_of(grams, colours, st.just(("now", {})))
    spaces = st.sampled_from([None, (",", ":")])
    return st.builds(
        lambda one, separators, is_escaped: (
            one[0],
            json.dumps(one[1], separators=separators, ensure_ascii=is_escaped),
        ),
        made,
        spaces,
        st.booleans(),
    )


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    """Cut a text anywhere, also in the middle of a character, in UTF-16 or in UTF-8."""
    encoding, size, errors = draw(st.sampled_from(_CUT_IN))
    units = text.encode(encoding)
    places = draw(st.lists(st.integers(0, len(units) // size), max_size=3))
    cuts = sorted({0, len(units) // size, *places})
    parts = [units[size * a : size * b] for a, b in pairwise(cuts)]
    return [part.decode(encoding, errors) for part in parts] or [""]


@dataclass(frozen=True)
class _Events:
    """The events of a whole answer."""

    all: list[Json]
    whole_after: int
    """How many of them hold the whole answer, with its end."""
    may_be_cut: bool
    """Whether a part of them is known to be one."""


# ---- Chat Completions ----------------------------------------------------------------------------


def _text_chunks(draw: st.DrawFn, text: str) -> list[Json]:
    forms = [
        said,
        lambda part: said([{"type": "text", "text": part}]),
        lambda part: said({"type": "text", "text": part}),
        lambda part: chunk({"content": None, "refusal": part}),
        lambda part: {"choices": [{"delta": {"content": part}}]},
    ]
    return [draw(st.sampled_from(forms))(part) for part in _cut(draw, text) if part]


def _call_chunks(draw: st.DrawFn, calls: Sequence[Call]) -> list[Json]:
    """The calls one after the other, with the places, ids and names of one server."""
    index = draw(st.sampled_from(["counted", "text", "null", "none", "zero"]))
    id = draw(st.sampled_from(["first", "each", "empty", "none"]))
    is_named_each = draw(st.booleans())
    sign = draw(st.sampled_from(["never", "never", "first", "each", "alone"]))
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    chunks = []
    for number, (name, arguments) in enumerate(calls):
        parts = draw(st.sampled_from([[arguments], ["", *_cut(draw, arguments)]]))
        for at, part in enumerate(parts):
            place = {"counted": {"index": number}, "text": {"index": str(number)}}.get(
                index, {"null": {"index": None}, "zero": {"index": 0}}.get(index, {})
            )
            if id == "each" or (id == "first" and at == 0):
                place = place | {"id": f"call_{number}"}
            elif id == "empty":
                place = place | {"id": ""}
            is_named = at == 0 or is_named_each
            more = signed if sign == "each" or (sign == "first" and at == 0) else {}
            chunks.append(piece(name if is_named else None, part, **place, **more))
        if sign == "alone":
            chunks.append(chunk({"tool_calls": [place | signed]}))
    return chunks


def _chat_document(text: str, calls: Sequence[Call], reason: str) -> Json:
    tool_calls = [
        {"type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in calls
    ]
    message = {"role": "assistant", "content": text, "tool_calls": tool_calls or None}
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": USAGE}


def _chat(draw: st.DrawFn, text: str, calls: Sequence[Call], word: str | None) -> _Events:
    content = _text_chunks(draw, text) + _call_chunks(draw, calls)
    reason = word or draw(st.sampled_from(["stop", "tool_calls", "end_turn", "STOP"]))
    style = draw(st.sampled_from(["last", "last", "with the last", "first", "each", "none"]))
    if style == "none" and word is None:
        ends = ["[DONE]"]
    elif style == "with the last":
        content[-1]["choices"][0]["finish_reason"] = reason
        ends = draw(st.sampled_from([[], ["[DONE]"]]))
    elif style in ("first", "each"):
        for one in content[:1] if style == "first" else content:
            one["choices"][0]["finish_reason"] = reason
        ends = ["[DONE]"]
    else:
        ends = [chunk({}, reason), *draw(st.sampled_from([[], ["[DONE]"], [" [DONE] "]]))]
    whole_after = len(content) if style == "with the last" else len(content) + 1
    return _Events(content + ends, whole_after, style not in ("first", "each"))


# ---- the Responses API ---------------------------------------------------------------------------


def _message_events(draw: st.DrawFn, text: str) -> tuple[list[Json], list[Json]]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    item = {"type": "message", "id": "m1", "role": "assistant", "content": content}
    deltas = [delta(part) for part in _cut(draw, text)]
    done = event("output_item.done", output_index=0, item=item)
    text_done = event("output_text.done", item_id="m1", output_index=0, text=text)
    added = event("output_item.added", output_index=0, item=item | {"content": []})
    ways = [deltas, [*deltas, done], [done], [added, *deltas, text_done, done], [text_done]]
    events = draw(st.sampled_from([*ways, []]))
    return events, [item]


def _function_events(
    draw: st.DrawFn, number: int, made: Call, way: int
) -> tuple[list[Json], list[Json]]:
    name, arguments = made
    ids = {"id": f"fc_{number}", "call_id": f"call_{number}"}
    place = {"output_index": number + 1, "item_id": ids["id"]}
    item = call(name, arguments, **ids)
    added = event("output_item.added", **place, item=item | {"arguments": ""})
    parts = [
        event("function_call_arguments.delta", **place, delta=part)
        for part in _cut(draw, arguments)
    ]
    whole = event("function_call_arguments.done", **place, arguments=arguments)
    done = event("output_item.done", **place, item=item)
    bare = event("output_item.done", **place, item=item | {"arguments": ""})
    ways = [[done], [added, *parts, done], [added, *parts, whole, done], [added, *parts, bare]]
    ways += [[added, *parts], [added, whole], []]
    return ways[way], [item]


def _responses(draw: st.DrawFn, text: str, calls: Sequence[Call], word: str | None) -> _Events:
    given = [_message_events(draw, text)] if text else []
    way = draw(st.integers(0, 6))  # A server tells all its calls in one way.
    given += [_function_events(draw, number, one, way) for number, one in enumerate(calls)]
    events = [one for some, _ in given for one in some]
    items = [item for _, some in given for item in some]
    is_told = all(some for some, _ in given)
    usage = draw(st.sampled_from([None, {}, {"input_tokens": "9"}, dict.fromkeys(USAGE), USAGE]))
    output = items if not is_told else draw(st.sampled_from([items, [], None]))
    response = {"id": "r1", "output": output, "usage": usage}
    if word is not None:
        end = event("incomplete", response=response | {"incomplete_details": {"reason": word}})
    elif is_told and draw(st.integers(0, 3)) == 0:
        return _Events([*events, "[DONE]"], len(events) + 1, may_be_cut=True)
    else:
        end = event("completed", response=response)
    more = draw(st.sampled_from([[], ["[DONE]"]]))
    return _Events([*events, end, *more], len(events) + 1, may_be_cut=True)


# ---- bytes ---------------------------------------------------------------------------------------


def _frame(one: Json) -> bytes:
    if isinstance(one, bytes):
        return one
    data = one.encode() if isinstance(one, str) else _json(one)
    kind = one.get("type") if isinstance(one, dict) else None
    return b"%sdata: %s\n\n" % (f"event: {kind}\n".encode() if kind else b"", data)


def _json(one: Json) -> bytes:
    """The event with the bytes of characters as such, and halves of surrogate pairs escaped."""
    try:
        return json.dumps(one, ensure_ascii=False).encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return json.dumps(one).encode()


def _with_noise(draw: st.DrawFn, api: str, events: Sequence[Json]) -> list[list[Json]]:
    """Each event with what means nothing before it."""
    nothing = st.sampled_from(NOTHING + (CHAT_NOTHING if api == "chat" else RESPONSES_NOTHING))
    return [[*draw(st.lists(nothing, max_size=2)), one] for one in events]


def _split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    if draw(st.integers(0, 9)) == 0:
        return [data[at : at + 1] for at in range(len(data))]
    places = draw(st.lists(st.integers(0, len(data)), max_size=12))
    cuts = sorted({0, len(data), *places})
    return [data[a:b] for a, b in pairwise(cuts)]


@st.composite
def sent_streams(draw: st.DrawFn, api: str) -> SentStream:
    """A body of this API, and the answer in it."""
    text = draw(st.text(_LETTERS, max_size=20))
    calls = draw(st.lists(_calls(), min_size=0 if text else 1, max_size=3))
    stop = draw(st.sampled_from([FinishReason.END] * 4 + list(CUTS)))
    word = draw(st.sampled_from(CUTS[stop])) if stop in CUTS else None
    made = tuple(calls) if stop is FinishReason.END else ()
    answer = Answer(text, made, stop)
    if api == "chat" and draw(st.integers(0, 19)) == 0:
        document = _chat_document(text, calls, word or "stop")
        data = json.dumps(document, indent=draw(st.sampled_from([None, 2]))).encode()
        return SentStream(api, _split(draw, data), is_broken=False, answer=answer)
    write = _chat if api == "chat" else _responses
    events = write(draw, text, calls, word)
    return _as_sent(draw, api, events, answer)


def _as_sent(draw: st.DrawFn, api: str, events: _Events, answer: Answer) -> SentStream:
    frames = [b"".join(map(_frame, some)) for some in _with_noise(draw, api, events.all)]
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    start = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\n", b": hello\n\n"]))
    data = [(start if at == 0 else b"") + one for at, one in enumerate(frames)]
    data = [one.replace(b"\n", end) for one in data]
    whole = len(b"".join(data[: events.whole_after])) - 2 * len(end)
    stream = b"".join(data)
    if not events.may_be_cut:
        return SentStream(api, _split(draw, stream), is_broken=False, answer=answer)
    cut = draw(st.one_of(st.just(len(stream)), st.integers(0, len(stream))))
    is_broken = draw(st.booleans())
    found = answer if cut >= whole else None
    return SentStream(api, _split(draw, stream[:cut]), is_broken, found)
