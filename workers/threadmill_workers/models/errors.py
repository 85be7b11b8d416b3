"""What went wrong at the provider, as one of our errors.

A provider reports it as an HTTP status with a body, or as an event inside a stream, and every
server has its own shape for it. All of them are read as one `ErrorReport`, and that becomes an
error.

A provider's free text may quote what it was sent. It is told unless it does so at length.
"""

from __future__ import annotations

import re

from openai import APIConnectionError, APIError, APIStatusError

from threadmill_shared.errors import (
    ContextTooLong,
    ModelError,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
)
from threadmill_shared.servers.failures import find_failure
from threadmill_shared.tools import encodable
from threadmill_workers.models.context_limits import says_too_large, says_too_long
from threadmill_workers.models.error_report import ErrorReport, read_report
from threadmill_workers.models.quotes import PrivateTexts, quotes_any, shows_key

_LONGEST_MESSAGE = 400
_LONGEST_READ = 10_000
_SHORT_PAUSE = 60.0
"""Seconds; whoever wants a longer one counts requests of hours, not those of the moment."""

_NO_QUOTA = frozenset(("insufficient_quota", "billing_hard_limit_reached"))
_RATE_LIMITED = frozenset(
    ("rate_limit_exceeded", "rate_limit_error", "too_many_requests", "RESOURCE_EXHAUSTED")
)
_UNAVAILABLE = frozenset(
    (
        "server_error",
        "internal_error",
        "overloaded_error",
        "InternalServerError",
        "timeout",
        "UNAVAILABLE",
    )
)
_NO_ANSWER = frozenset(("tool_use_failed", "output_parse_failed"))
"""The model has written what its provider cannot read: another time it may do better."""
_NEVER_PASSES = re.compile(
    r"\b(images?|vision|audio|files?)\b.{0,40}\bnot supported\b"
    r"|\bnot support\w*\b.{0,20}\b(images?|vision|audio|files?)\b"
    r"|\bmust alternate\b|\bjinja\b|\bchat template\b",
    re.IGNORECASE | re.DOTALL,
)
"""llama.cpp and Ollama refuse with 500 what their model or its prompt template cannot take."""
_REFUSES_CONTENTS = re.compile(
    r"moderat|\bflagged\b|\bguidelines\b|\bviolat|\b(usage|content) polic", re.IGNORECASE
)
_WRONG_KEY = "check OPENAI_API_KEY"
_ADVICE = {
    401: _WRONG_KEY,
    403: "check what OPENAI_API_KEY may do",
    404: "check the model's name and OPENAI_BASE_URL",
}
_NAMES_MODEL = re.compile(
    r"\b(unknown|invalid|no such|unsupported|non-serverless) model\b|\bnot a valid model\b"
    r"|\bmodels?\b.{0,80}\b(not found|not exist|not supported|unknown|no access)\b"
    r"|\b(no models?|model (is )?(not|un)) ?loaded\b|\bno endpoints? found\b",
    re.IGNORECASE | re.DOTALL,
)
_NAMES_KEY = re.compile(
    r"\bapi[ _-]?key\b.{0,40}\b(not valid|invalid|incorrect|expired|missing|required)\b"
    r"|\b(incorrect|invalid|wrong|expired|missing|no)\b.{0,20}\bapi[ _-]?key\b",
    re.IGNORECASE,
)
_MAY_PASS = re.compile(
    r"\b(server|provider|upstream|engine|worker|gateway|internal)\b.{0,40}"
    r"\b(error|failed|failure|disconnected|unavailable|busy)\b"
    r"|\bconnection\b.{0,20}\b(lost|error|reset|closed|aborted)\b|\berror was encountered\b"
    r"|\b(overloaded|timed? ?out|temporarily|try again|retry)\b",
    re.IGNORECASE | re.DOTALL,
)
"""Said inside a stream, by a provider that has no code for it."""


class StreamFailed(Exception):
    """The provider reported an error inside a stream.

    Attributes:
        body: the error as the stream told it.
    """

    def __init__(self, body: object) -> None:
        super().__init__("The model provider reported an error inside a stream.")
        self.body = body


def from_stream(body: object, private: PrivateTexts) -> ModelError:
    """The error for one that was reported inside a stream.

    Args:
        body: the provider's error object.
        private: what a message must not repeat.
    """
    return _as_error(read_report(body), private)


def from_sdk(error: APIError, private: PrivateTexts) -> ModelError:
    """The error for one that the openai package raised before the stream began.

    Args:
        error: what was raised.
        private: what a message must not repeat.
    """
    if isinstance(error, APIStatusError):
        report = read_report(error.body, error.status_code, error.response.headers)
        return _as_error(report, private)
    if isinstance(error, APIConnectionError):
        unreached = ModelUnavailable(
            f"The model provider at {error.request.url.netloc.decode()} did not answer"
            f" ({type(_root(error)).__name__}); check OPENAI_BASE_URL and the network."
        )
        unreached.cause = find_failure(error).cause
        return unreached
    return ModelGarbled(f"The model provider's response cannot be read ({type(error).__name__}).")


def _root(error: BaseException) -> BaseException:
    """The first cause: the ones above it call most failures to connect a timeout."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _as_error(report: ErrorReport, private: PrivateTexts) -> ModelError:
    error = _classified(report, private)
    error.cause = "" if report.status is None else f"HTTP {report.status}"
    if isinstance(error, ModelUnavailable) and error.rate_limited:
        error.cause = f"rate limit reached{f' ({error.cause})' if error.cause else ''}"
    return error


def _classified(report: ErrorReport, private: PrivateTexts) -> ModelError:
    said = _describe(report, private)
    status = report.status
    if says_too_long(status, report.words, report.message):
        return ContextTooLong(f"The conversation does not fit into the model's context{said}.")
    if says_too_large(status, report.words, report.message):
        return ContextTooLong(
            f"The conversation is too large for the model provider{said}.", in_bytes=True
        )
    if report.status == 402 or report.has_word(_NO_QUOTA):
        return _refused(
            report, f"The account at the model provider has no quota left{said}; check its billing."
        )
    if status == 429 or report.has_word(_RATE_LIMITED):
        return ModelUnavailable(
            f"The model provider's rate limit is reached{said}; {_advise_at_limit(report)}.",
            retry_after=report.retry_after,
            rate_limited=True,
        )
    if _is_passing(report):
        return ModelUnavailable(
            f"The model provider failed{said}; a retry may succeed.",
            retry_after=report.retry_after,
        )
    return _as_refusal(report, said)


def _as_refusal(report: ErrorReport, said: str) -> ModelError:
    if report.has_word(_NO_ANSWER):
        return ModelGarbled(f"The model provider could not read the model's answer{said}.")
    advice = _advise_refused(report)
    end = f"; {advice}." if advice else "."
    return _refused(report, f"The model provider refused the request{said}{end}")


def _refused(report: ErrorReport, text: str) -> ModelRefused:
    return ModelRefused(
        text,
        status=report.status,
        code=report.code,
        param=report.param,
        reason=report.message[:_LONGEST_READ],
    )


def _advise_refused(report: ErrorReport) -> str:
    """What helps, as far as status and words tell it."""
    if report.status == 403 and _REFUSES_CONTENTS.search(report.message):
        return ""
    if report.status in _ADVICE:
        return _ADVICE[report.status]
    if _NAMES_KEY.search(report.message):
        return _WRONG_KEY
    if _NAMES_MODEL.search(report.message):
        return "check the model's name"
    return "change the request" if report.param else ""


def _advise_at_limit(report: ErrorReport) -> str:
    if report.retry_after is None or report.retry_after <= _SHORT_PAUSE:
        return "wait, or lower THREADMILL_CONCURRENCY"
    return "wait, or raise the limit at the provider"


def _is_passing(report: ErrorReport) -> bool:
    if report.status is None:
        is_unnamed = not report.code and "invalid" not in report.type
        is_passing = is_unnamed and _MAY_PASS.search(report.message) is not None
        return is_passing or report.has_word(_UNAVAILABLE)
    if report.status == 500 and _NEVER_PASSES.search(report.message):
        return False
    return report.status in {408, 409} or report.status >= 500


# ---- describing it -------------------------------------------------------------------------------


def _describe(report: ErrorReport, private: PrivateTexts) -> str:
    """Status, words and message, for the middle of a sentence."""
    private = PrivateTexts(private.key, tuple(private.texts))
    message = told_message(report, private)
    parts = [] if report.status is None else [f"HTTP {report.status}"]
    words = dict.fromkeys((report.code, report.type, report.param))
    known = ("", str(report.status))
    parts += [w for w in words if w not in known and _may_be_told(w, report.status, private)]
    text = f" ({', '.join(parts)})" if parts else ""
    return f"{text}: {message}" if message else text


def told_message(report: ErrorReport, private: PrivateTexts) -> str:
    """The provider's own words; empty if they must not be told."""
    message = _without_codes(encodable(report.message[:_LONGEST_READ]), report)
    if not message or not _may_be_told(message, report.status, private):
        return ""
    if len(message) > _LONGEST_MESSAGE:
        return f"{message[:_LONGEST_MESSAGE].rstrip()}…"
    return message.rstrip(".;:! ")


def _without_codes(message: str, report: ErrorReport) -> str:
    """The message without the status and the code that stand before it already."""
    known = [re.escape(str(word)) for word in (report.status, *report.words) if word]
    if not known:
        return message
    name = r"(?:error code:|http|status(?: code)?:?|error)?"
    head = re.compile(rf"\s*{name}\s*(?:{'|'.join(known)})\b[\s:,-]*", re.IGNORECASE)
    while (found := head.match(message)) and found.end():
        message = message[found.end() :]
    return message


def _may_be_told(text: str, status: int | None, private: PrivateTexts) -> bool:
    return not shows_key(text, private.key, status) and not quotes_any(text, private.texts)
