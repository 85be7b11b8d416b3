"""What went wrong at the provider, as one of our errors.

A provider reports it as an HTTP status with a body, or as an event inside a stream, and every
server has its own shape for it. Here all of them become one `ErrorReport`, and that becomes an
error.

A provider's free text may quote what it was sent. It is kept only if it is short and repeats
nothing of the request; so are the parts that should be machine-readable.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError

from threadmill_shared.errors import (
    ContextTooLong,
    ModelError,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
)
from threadmill_shared.records import lenient
from threadmill_shared.tools import encodable

_WORD = re.compile(r"[\w.\[\]-]{1,80}")
"""What a code, type or param may look like; anything else may be text."""

_LONGEST_MESSAGE = 300
_ECHO = 12
"""A text that shares this many characters with the request may quote it."""

_TOO_LONG = frozenset(("context_length_exceeded", "exceed_context_size_error"))
_NO_QUOTA = frozenset(("insufficient_quota", "billing_hard_limit_reached"))
_RATE_LIMITED = frozenset(("rate_limit_exceeded", "rate_limit_error", "too_many_requests"))
_UNAVAILABLE = frozenset(
    ("server_error", "internal_error", "overloaded_error", "InternalServerError", "timeout")
)
_ADVICE = {
    401: "check OPENAI_API_KEY",
    403: "check what OPENAI_API_KEY may do",
    404: "check the model's name and OPENAI_BASE_URL",
}


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What a provider says is wrong."""

    status: int | None
    words: tuple[str, ...]
    """Code, type and param, as far as they are words."""
    message: str
    retry_after: float | None = None
    """Seconds."""

    def has_word(self, words: frozenset[str]) -> bool:
        """Whether code or type is one of these."""
        return not words.isdisjoint(self.words)


class StreamFailed(Exception):
    """The provider reported an error inside a stream.

    Attributes:
        body: the error as the stream told it.
    """

    def __init__(self, body: object) -> None:
        super().__init__("The model provider reported an error inside a stream.")
        self.body = body


def from_stream(body: object, private: Iterable[str]) -> ModelError:
    """The error for one that was reported inside a stream.

    Args:
        body: the provider's error object.
        private: texts that a message must not repeat.
    """
    return _as_error(_read_report(body), private)


def from_sdk(error: APIError, private: Iterable[str]) -> ModelError:
    """The error for one that the openai package raised before the stream began.

    Args:
        error: what was raised.
        private: texts that a message must not repeat.
    """
    if isinstance(error, APIStatusError):
        retry_after = _retry_after(error.response.headers)
        return _as_error(_read_report(error.body, error.status_code, retry_after), private)
    if isinstance(error, APIConnectionError):
        return ModelUnavailable(
            f"The model provider at {error.request.url.netloc.decode()} did not answer"
            f" ({type(_root(error)).__name__}); check OPENAI_BASE_URL and the network."
        )
    return ModelGarbled(f"The model provider's response cannot be read ({type(error).__name__}).")


def _root(error: BaseException) -> BaseException:
    """The first cause: the ones above it call most failures to connect a timeout."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _as_error(report: ErrorReport, private: Iterable[str]) -> ModelError:
    said = _describe(report, private)
    status = report.status
    if _is_too_long(report):
        return ContextTooLong(f"The conversation does not fit into the model's context{said}.")
    if report.has_word(_NO_QUOTA):
        return ModelRefused(
            f"The account at the model provider has no quota left{said}; check its billing.",
            status=status,
        )
    if status == 429 or report.has_word(_RATE_LIMITED):
        return ModelUnavailable(
            f"The model provider's rate limit is reached{said}; wait, or lower"
            " THREADMILL_CONCURRENCY.",
            retry_after=report.retry_after,
            rate_limited=True,
        )
    if _is_passing(report):
        return ModelUnavailable(
            f"The model provider failed{said}; a retry may succeed.",
            retry_after=report.retry_after,
        )
    advice = _ADVICE.get(status or 0, "change the request")
    return ModelRefused(f"The model provider refused the request{said}; {advice}.", status=status)


def _is_too_long(report: ErrorReport) -> bool:
    # vLLM and its like answer a plain 400, and tell the reason in words only.
    in_words = report.status == 400 and "maximum context length" in report.message
    return in_words or report.has_word(_TOO_LONG)


def _is_passing(report: ErrorReport) -> bool:
    if report.status is None:
        return report.has_word(_UNAVAILABLE)
    return report.status in {408, 409} or report.status >= 500


# ---- reading what the provider said --------------------------------------------------------------


def _read_report(
    body: object, status: int | None = None, retry_after: float | None = None
) -> ErrorReport:
    if not isinstance(body, Mapping):
        return ErrorReport(status, (), body if isinstance(body, str) else "", retry_after)
    code = body.get("code")
    if status is None:
        status = lenient.whole_number(code)
    words = tuple(
        word
        for name in ("code", "type", "param")
        if isinstance(word := body.get(name), str) and _WORD.fullmatch(word)
    )
    message = body.get("message") or body.get("detail")
    return ErrorReport(status, words, message if isinstance(message, str) else "", retry_after)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or a date)."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    return _seconds_until(value) if seconds is None and value else seconds


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,9}(\.\d*)?\s*", text):
        return None
    return float(text)


def _seconds_until(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


# ---- describing it -------------------------------------------------------------------------------


def _describe(report: ErrorReport, private: Iterable[str]) -> str:
    """Status, words and message, for the middle of a sentence."""
    private = tuple(private)
    parts: list[Any] = [] if report.status is None else [f"HTTP {report.status}"]
    parts += [word for word in dict.fromkeys(report.words) if not _quotes(word, private)]
    text = f" ({', '.join(parts)})" if parts else ""
    message = encodable(" ".join(report.message.split()))
    if _may_be_quoted(report.status, message, private):
        text += f": {message.rstrip('.')}"
    return text


def _may_be_quoted(status: int | None, message: str, private: Iterable[str]) -> bool:
    # At 401 providers repeat the key, masked as they see fit.
    if not message or len(message) >= _LONGEST_MESSAGE or status == 401:
        return False
    return not _quotes(message, private)


def _quotes(message: str, private: Iterable[str]) -> bool:
    """Whether the message repeats anything of these texts."""
    pieces = [message[at : at + _ECHO] for at in range(0, len(message), _ECHO)]
    return any(_echoes(message, pieces, text) for text in private)


def _echoes(message: str, pieces: list[str], text: str) -> bool:
    """Whether the message repeats the text, or a long enough run of it."""
    text = " ".join(text.split())
    if len(text) < 2 * _ECHO:
        return bool(text) and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", message) is not None
    return any(piece in text for piece in pieces if len(piece) == _ECHO)
