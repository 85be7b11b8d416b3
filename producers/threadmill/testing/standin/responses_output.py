"""Answers of the Responses API."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from threadmill.testing.standin import reasoning
from threadmill.testing.standin.conversation import Request, dicts
from threadmill.testing.standin.hosted_output import HostedOutput
from threadmill.testing.standin.hosting import Hosting
from threadmill.testing.standin.replies import (
    Call,
    Code,
    Part,
    Reasoning,
    Reply,
    Search,
    Text,
    WebQuery,
)
from threadmill.testing.standin.sse import Frame, Kind, around, encode, encode_token, event
from threadmill.testing.standin.usage import reasoning_tokens, usage_of
from threadmill_shared.model import FinishReason

_STATUS = {
    FinishReason.END: "completed",
    FinishReason.LENGTH: "incomplete",
    FinishReason.CONTENT_FILTER: "incomplete",
}
_REASON = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}
_DELTA, _NUMBER = "\0delta", "\0number"

Json = dict[str, Any]


class ResponsesOutput:
    """One reply as the Responses API gives it, streamed or whole."""

    def __init__(self, request: Request, reply: Reply, hosting: Hosting) -> None:
        self._request = request
        self._reply = reply
        self._hosted = HostedOutput(request, reply.parts, hosting)
        self._created_at = int(time.time())
        self._sequence = 0

    def frames(self) -> Iterator[Frame]:
        """The stream, event by event."""
        opening = self._response("in_progress")
        yield self._frame("response.created", response=opening)
        yield self._frame("response.in_progress", response=opening)
        for index, part in enumerate(self._reply.parts):
            yield from self._item_frames(index, part)
        status = self._status
        yield self._frame(
            f"response.{status}", Kind.ENDING, response=self._response(status, self._items())
        )

    def whole(self) -> bytes:
        """The answer to a request that does not stream."""
        return encode(self._response(self._status, self._items()))

    def failed(self, code: str, message: str) -> bytes:
        """The event `response.failed`."""
        response = self._response("failed") | {"error": {"code": code, "message": message}}
        return self._frame("response.failed", response=response).data

    def error(self, code: str, message: str) -> bytes:
        """The event `error`."""
        return self._frame("error", code=code, message=message, param=None).data

    @property
    def _status(self) -> str:
        return _STATUS[FinishReason(self._reply.stop)]

    def _frame(self, type: str, kind: Kind = Kind.OPENING, **fields: Any) -> Frame:
        number = self._sequence
        self._sequence += 1
        return Frame(kind, event({"type": type, "sequence_number": number, **fields}, type))

    def _deltas(self, type: str, tokens: Iterable[str], **fields: Any) -> Iterator[Frame]:
        data = {"type": type, **fields, "delta": _DELTA, "sequence_number": _NUMBER}
        before, between, after = around(data, type, _DELTA, _NUMBER)
        for token in tokens:
            number = b"%d" % self._sequence
            self._sequence += 1
            yield Frame(Kind.TOKEN, b"".join((before, encode_token(token), between, number, after)))

    # ---- items -------------------------------------------------------------------------------

    def _item_frames(self, index: int, part: Part) -> Iterator[Frame]:
        done = self._item(index, part)
        place = {"item_id": done["id"], "output_index": index}
        match part:
            case Text():
                empty: Json = {"content": []}
                inner = self._text_frames(part, place)
            case Call():
                empty = {"arguments": ""}
                inner = self._argument_frames(part, place)
            case Reasoning():
                empty = {"summary": []}
                inner = self._summary_frames(part, place)
            case Code():
                empty = {"code": "", "outputs": None}
                inner = self._code_frames(part, place)
            case Search():
                empty = {"queries": [], "results": None}
                inner = self._search_frames("file", place)
            case WebQuery():
                empty = {}
                inner = self._search_frames("web", place)
        begun = done | {"status": "in_progress"} | empty
        yield self._frame("response.output_item.added", output_index=index, item=begun)
        yield from inner
        yield self._frame("response.output_item.done", output_index=index, item=done)

    def _text_frames(self, part: Text, place: Json) -> Iterator[Frame]:
        here = {**place, "content_index": 0}
        yield self._frame("response.content_part.added", **here, part=_output_text(""))
        yield from self._deltas("response.output_text.delta", part.tokens, **here, logprobs=[])
        annotations = self._hosted.annotations(part)
        for number, annotation in enumerate(annotations):
            added: Json = {"annotation_index": number, "annotation": annotation}
            yield self._frame("response.output_text.annotation.added", **here, **added)
        yield self._frame("response.output_text.done", **here, text=part.text, logprobs=[])
        done = _output_text(part.text, annotations)
        yield self._frame("response.content_part.done", **here, part=done)

    def _argument_frames(self, part: Call, place: Json) -> Iterator[Frame]:
        name = "response.function_call_arguments"
        yield from self._deltas(f"{name}.delta", part.tokens, **place)
        yield self._frame(f"{name}.done", **place, arguments=part.text)

    def _summary_frames(self, part: Reasoning, place: Json) -> Iterator[Frame]:
        if not part.summary:
            return
        name, here = "response.reasoning_summary", {**place, "summary_index": 0}
        yield self._frame(f"{name}_part.added", **here, part=_summary_text(""))
        yield from self._deltas(f"{name}_text.delta", part.tokens, **here)
        yield self._frame(f"{name}_text.done", **here, text=part.summary)
        yield self._frame(f"{name}_part.done", **here, part=_summary_text(part.summary))

    def _code_frames(self, part: Code, place: Json) -> Iterator[Frame]:
        call = "response.code_interpreter_call"
        yield self._frame(f"{call}.in_progress", **place)
        yield from self._deltas(f"{call}_code.delta", part.tokens, **place)
        yield self._frame(f"{call}_code.done", **place, code=part.code)
        yield self._frame(f"{call}.interpreting", **place)
        yield self._frame(f"{call}.completed", **place)

    def _search_frames(self, kind: str, place: Json) -> Iterator[Frame]:
        for status in ("in_progress", "searching", "completed"):
            yield self._frame(f"response.{kind}_search_call.{status}", **place)

    def _items(self) -> list[Json]:
        return [self._item(index, part) for index, part in enumerate(self._reply.parts)]

    def _item(self, index: int, part: Part) -> Json:
        mark = f"{self._request.key}_{index}"
        is_last = index == len(self._reply.parts) - 1
        status = self._status if is_last else "completed"
        match part:
            case Text():
                head: Json = {"id": f"msg_{mark}", "type": "message", "role": "assistant"}
                head |= {"phase": part.phase} if part.phase else {}
                content = [_output_text(part.text, self._hosted.annotations(part))]
                return head | {"content": content, "status": status}
            case Code():
                return self._hosted.code_item(f"ci_{mark}", part) | {"status": part.status}
            case Search():
                return self._hosted.search_item(f"fs_{mark}", index, part) | {"status": "completed"}
            case WebQuery():
                return self._hosted.web_item(f"ws_{mark}", part) | {"status": "completed"}
            case Call():
                id = f"call_{mark}" if part.id is None else part.id
                head = {"id": f"fc_{mark}", "type": "function_call", "call_id": id}
                return head | {"name": part.name, "arguments": part.text, "status": status}
            case Reasoning():
                encrypted = part.encrypted or reasoning.seal(self._request.model, part.summary)
                self._hosted.give_reasoning(encrypted, self._request.model)
                summary = [_summary_text(part.summary)] if part.summary else []
                head = {"id": f"rs_{mark}", "type": "reasoning", "summary": summary}
                return head | {"encrypted_content": encrypted, "status": status}

    # ---- the response ------------------------------------------------------------------------

    def _response(self, status: str, output: list[Json] | None = None) -> Json:
        body, ended = self._request.body, output is not None
        reason = _REASON.get(FinishReason(self._reply.stop)) if status == "incomplete" else None
        return {
            "id": f"resp_{self._request.key}",
            "object": "response",
            "created_at": self._created_at,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "metadata": body.get("metadata") or {},
            "model": self._request.model,
            "output": output or [],
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
            "service_tier": "default",
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": [_told(tool) for tool in dicts(body.get("tools"))],
            "top_p": body.get("top_p", 1.0),
            "truncation": body.get("truncation") or "disabled",
            "usage": self._usage() if ended else None,
        }

    def _usage(self) -> Json:
        usage = usage_of(self._request, self._reply)
        return {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": reasoning_tokens(self._reply)},
            "total_tokens": usage.total_tokens,
        }


_TOOL: Json = {"description": None, "parameters": None, "strict": True}


def _told(tool: Json) -> Json:
    return _TOOL | tool if tool.get("type") == "function" else tool


def _output_text(text: str, annotations: Sequence[Json] = ()) -> Json:
    return {
        "type": "output_text",
        "text": text,
        "annotations": list(annotations),
        "logprobs": [],
    }


def _summary_text(text: str) -> Json:
    return {"type": "summary_text", "text": text}
