"""Answers of Chat Completions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from threadmill.testing.standin.conversation import Request
from threadmill.testing.standin.replies import Call, Reasoning, Reply, Text
from threadmill.testing.standin.sse import Frame, Kind, around, encode, encode_token, event
from threadmill.testing.standin.usage import usage_of
from threadmill_shared.model import FinishReason

_FINISH = {
    FinishReason.END: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CONTENT_FILTER: "content_filter",
}
_DELTA = "\0delta"

Json = dict[str, Any]


class ChatOutput:
    """One reply as Chat Completions gives it, streamed or whole."""

    def __init__(self, request: Request, reply: Reply) -> None:
        self._request = request
        self._reply = reply
        self._texts = [part for part in reply.parts if isinstance(part, Text)]
        self._reasoning = [
            (part.chat_field, part)
            for part in reply.parts
            if isinstance(part, Reasoning) and part.chat_field
        ]
        self._calls = [part for part in reply.parts if isinstance(part, Call)]
        self._head = {
            "id": f"chatcmpl-{request.key}",
            "created": int(time.time()),
            "model": request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
        }
        options = request.body.get("stream_options")
        self._tells_usage = isinstance(options, dict) and options.get("include_usage") is True

    def frames(self) -> Iterator[Frame]:
        """The stream, chunk by chunk; texts before calls, as the API has no order among them."""
        content = "" if self._texts else None
        opening = {"role": "assistant", "content": content, "refusal": None}
        yield Frame(Kind.OPENING, event(self._chunk(opening)))
        for field, reasoning in self._reasoning:
            yield from self._deltas({"content": None, field: _DELTA}, reasoning.tokens)
        for text in self._texts:
            yield from self._deltas({"content": _DELTA}, text.tokens)
        for index, call in enumerate(self._calls):
            yield from self._call_frames(index, call)
        yield Frame(Kind.ENDING, event(self._chunk({}, self._finish_reason)))
        if self._tells_usage:
            yield Frame(Kind.ENDING, event(self._chunk(None) | {"usage": self._usage()}))
        yield Frame(Kind.ENDING, b"data: [DONE]\n\n")

    def whole(self) -> bytes:
        """The answer to a request that does not stream."""
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": None,
            "finish_reason": self._finish_reason,
        }
        answer = {"object": "chat.completion", "choices": [choice], "usage": self._usage()}
        return encode(self._head | answer)

    def failed(self, code: str, message: str) -> bytes:
        """The same as `error`: the API has one way only."""
        return self.error(code, message)

    def error(self, code: str, message: str) -> bytes:
        """A chunk that is an error."""
        kind = "server_error" if code == "server_error" else "invalid_request_error"
        error = {"message": message, "type": kind, "param": None, "code": code}
        return event({"error": error})

    @property
    def _finish_reason(self) -> str:
        if self._calls and self._reply.stop == FinishReason.END:
            return "tool_calls"
        return _FINISH[FinishReason(self._reply.stop)]

    def _chunk(self, delta: Json | None, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = self._head | {
            "object": "chat.completion.chunk",
            "choices": [] if delta is None else [choice],
        }
        return chunk | {"usage": None} if self._tells_usage else chunk

    def _deltas(self, delta: Json, tokens: Iterable[str]) -> Iterator[Frame]:
        before, after = around(self._chunk(delta), None, _DELTA)
        for token in tokens:
            yield Frame(Kind.TOKEN, b"".join((before, encode_token(token), after)))

    def _call_frames(self, index: int, call: Call) -> Iterator[Frame]:
        opening = {"index": index, **self._tool_call(index, call, arguments="")}
        yield Frame(Kind.OPENING, event(self._chunk({"tool_calls": [opening]})))
        delta = {"index": index, "function": {"arguments": _DELTA}}
        yield from self._deltas({"tool_calls": [delta]}, call.tokens)

    def _tool_call(self, index: int, call: Call, *, arguments: str) -> Json:
        id = f"call_{self._request.key}_{index}" if call.id is None else call.id
        function = {"name": call.name, "arguments": arguments}
        return {"id": id, "type": "function", "function": function, **call.extra}

    def _message(self) -> Json:
        content = "".join(text.text for text in self._texts) if self._texts else None
        message: Json = {"role": "assistant", "content": content, "refusal": None}
        message["annotations"] = []
        message |= {field: reasoning.summary for field, reasoning in self._reasoning}
        if self._calls:
            message["tool_calls"] = [
                self._tool_call(index, call, arguments=call.text)
                for index, call in enumerate(self._calls)
            ]
        return message

    def _usage(self) -> Json:
        usage = usage_of(self._request, self._reply)
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        }
