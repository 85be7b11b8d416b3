"""What can go wrong with a provider, as answers that a brain gives in place of a reply."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from threadmill.testing.standin.replies import Reply, Text

NOT_OF_THE_PROTOCOL = b"data: \xff\xfe{]\n\n"
"""A server-sent event whose data is neither UTF-8 nor JSON."""

_LONG_ENOUGH = Reply([Text([f"{number} " for number in range(1, 101)])])


class Fault:
    """A fault of the provider, to be returned by a brain.

    Where `reply` can be given, it is what was being streamed when the fault struck: its first
    `after_tokens` tokens arrive, never its end. By default that is a message that counts to 100.
    """

    __slots__ = ()

    @staticmethod
    def status(
        status: int,
        *,
        message: str = "The stand-in was told to refuse this request.",
        code: str | None = None,
        param: str | None = None,
        retry_after: float | str | None = None,
    ) -> Refusal:
        """Answer with an HTTP error; `code` as in `context_length_exceeded`.

        `param` is the part of the request that it names, such as `input[2].content`. `retry_after`
        (seconds, or a date as HTTP writes it) becomes the header of that name.
        """
        return Refusal(status, message, code, retry_after, param)

    @staticmethod
    def drop(after_tokens: int | None = 0, *, reply: Reply = _LONG_ENOUGH) -> Interruption:
        """Reset the connection; with None before the first byte of an answer."""
        return Interruption(Cut.DROP, after_tokens, reply)

    @staticmethod
    def end(after_tokens: int = 0, *, reply: Reply = _LONG_ENOUGH) -> Interruption:
        """End the stream as if all were said, but without the event that says so."""
        return Interruption(Cut.END, after_tokens, reply)

    @staticmethod
    def garbage(
        after_tokens: int = 0, *, data: bytes = NOT_OF_THE_PROTOCOL, reply: Reply = _LONG_ENOUGH
    ) -> Interruption:
        """Send bytes that are not of the protocol, then end the stream."""
        return Interruption(Cut.GARBAGE, after_tokens, reply, data=data)

    @staticmethod
    def hang(after_tokens: int | None = 0, *, reply: Reply = _LONG_ENOUGH) -> Interruption:
        """Fall silent until the client leaves; with None before the first byte of an answer."""
        return Interruption(Cut.HANG, after_tokens, reply)

    @staticmethod
    def event_error(
        after_tokens: int = 0,
        *,
        kind: Literal["failed", "error"] = "failed",
        code: str = "server_error",
        message: str = "The stand-in was told to fail in mid-stream.",
        reply: Reply = _LONG_ENOUGH,
    ) -> Interruption:
        """Report an error inside the stream, and end it.

        The Responses API has two ways, the event `response.failed` and the event `error`; Chat
        Completions has one, whatever `kind` says.
        """
        cut = Cut.FAILED if kind == "failed" else Cut.ERROR
        return Interruption(cut, after_tokens, reply, code=code, message=message)


class Cut(StrEnum):
    """How a stream is broken off."""

    DROP = "drop"
    END = "end"
    GARBAGE = "garbage"
    HANG = "hang"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Refusal(Fault):
    """An HTTP error in place of an answer."""

    http_status: int
    message: str
    code: str | None = None
    retry_after: float | str | None = None
    param: str | None = None
    rule: str | None = None
    """The name of the rule that the request breaks; None: the test decided it."""


@dataclass(frozen=True, slots=True)
class Interruption(Fault):
    """An answer that is broken off."""

    cut: Cut
    after_tokens: int | None
    """None: before the answer's first byte."""
    reply: Reply
    data: bytes = b""
    code: str = ""
    message: str = ""


Answer: TypeAlias = Reply | Refusal | Interruption
