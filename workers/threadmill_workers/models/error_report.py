"""What a provider says is wrong, read from any shape in which servers say it."""

from __future__ import annotations

import email.utils
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from threadmill_shared.records import lenient
from threadmill_workers.models.wrapped_errors import error_within

_WORD = re.compile(r"[\w.\[\]-]{1,80}")
"""What a code, type or param may look like; anything else may be text."""
_MESSAGES = ("raw", "message", "detail", "error_description", "msg", "title", "error", "reason")
"""OpenRouter has the words of the provider behind it in `metadata.raw`."""
_NESTED = ("error", "detail", "errors", "details", "message", "metadata")
_DEPTH = 6
_LAYERS = 3
"""So often a proxy's message is unwrapped."""
_LONGEST_READ = 20_000

_STYLE = re.compile(r"<(script|style|head)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[!/]?[a-zA-Z][^<>]*>|<!--.*?-->", re.DOTALL)
_PAGE = re.compile(r"<(!doctype|html|head|body|h1|title|center)\b", re.IGNORECASE)

_PAUSE = re.compile(
    r"(?:try again|retry|wait|available|reset\w*)\b[^.\d]{0,40}?(\d[\d.]*) ?"
    r"(ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])"
    r"(?: ?(\d[\d.]*) ?(minutes?|mins?|m|seconds?|secs?|s)(?![a-z]))?",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(\d{1,9}(?:\.\d{0,9})?) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)(?![a-z])"
)
_DURATION = re.compile(rf"({_TIME.pattern} ?)+")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What a provider says is wrong."""

    status: int | None
    code: str = ""
    """Code, type and param are empty if there is none, or if it is no word."""
    type: str = ""
    param: str = ""
    message: str = ""
    """Its text, without HTML."""
    retry_after: float | None = None
    """Seconds."""

    @property
    def words(self) -> tuple[str, ...]:
        """Code and type."""
        return tuple(filter(None, (self.code, self.type)))

    def has_word(self, words: frozenset[str]) -> bool:
        """Whether code or type is one of these."""
        return not words.isdisjoint(self.words)


def read_report(
    body: object, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ErrorReport:
    """Read a provider's error.

    Args:
        body: JSON of any shape, or a text.
        status: the HTTP status; without one, a code that is one counts.
        headers: the response's headers.
    """
    objects = list(_objects(body, _DEPTH))
    if status is None:
        status = _status(_first(objects, "code"))
    message, inner = _unwrapped(_message(objects, body))
    objects = [*inner, *objects]
    param = _first_word(objects, "param") or _place(objects)
    return ErrorReport(
        status=status,
        code=_first_word(objects, "code") or _first_word(objects, "status"),
        type=_first_word(objects, "type"),
        param="" if param.lower() in ("none", "null") else param,
        message=" ".join(_without_html(message).split()),
        retry_after=_retry_after(headers or {}, objects, message),
    )


def _objects(value: object, depth: int) -> Iterator[Mapping[str, Any]]:
    """The objects that may describe the error, the most specific first."""
    if depth and isinstance(value, list):
        for one in value[:8]:
            yield from _objects(one, depth - 1)
    elif depth and isinstance(value, Mapping):
        for name in _NESTED:
            yield from _objects(value.get(name), depth - 1)
        yield value


def _status(code: object) -> int | None:
    """The HTTP status that the code is."""
    text = str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""
    return int(text) if re.fullmatch(r"[45]\d\d", text) else None


def _unwrapped(message: str) -> tuple[str, list[Mapping[str, Any]]]:
    """The message with the words of the errors within in their place, and what these say."""
    found: list[Mapping[str, Any]] = []
    for _ in range(_LAYERS):
        within = error_within(message[:_LONGEST_READ])
        if within is None:
            break
        body, begin, end = within
        objects = list(_objects(body, _DEPTH))
        message = f"{message[:begin]}{_message(objects, body)}{message[end:]}"
        found = [*objects, *found]
    return message, found


def _first(objects: list[Mapping[str, Any]], name: str) -> object:
    return next((one[name] for one in objects if one.get(name) is not None), None)


def _first_word(objects: list[Mapping[str, Any]], name: str) -> str:
    for one in objects:
        if isinstance(word := one.get(name), str) and _WORD.fullmatch(word):
            return word
    return ""


def _message(objects: list[Mapping[str, Any]], body: object) -> str:
    for name in _MESSAGES:
        for one in objects:
            if isinstance(text := one.get(name), str) and text.strip():
                return text
    if isinstance(body, list):
        body = next((one for one in body if isinstance(one, str)), "")
    return body if isinstance(body, str) else ""


def _place(objects: list[Mapping[str, Any]]) -> str:
    """The param as FastAPI tells it: `["body", "messages", 3, "content"]`."""
    place = _first(objects, "loc")
    if not isinstance(place, list):
        return ""
    parts = [str(part) for part in place if part != "body"]
    word = ".".join(parts)
    return word if _WORD.fullmatch(word) else ""


def _without_html(text: str) -> str:
    if not _PAGE.search(text):
        return text
    plain = html.unescape(_TAG.sub(" ", _STYLE.sub(" ", text))).strip()
    title = _TITLE.search(text)
    return plain or (html.unescape(title[1]) if title else "")


# ---- how long it wants to be left alone ----------------------------------------------------------


def _retry_after(
    headers: Mapping[str, str], objects: list[Mapping[str, Any]], message: str
) -> float | None:
    """Seconds to wait: of the headers, else of the body, else of the text."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value and (seconds := _duration(value)) is not None:
        return seconds
    if value and (seconds := _seconds_until(value)) is not None:
        return seconds
    for name in ("retryDelay", "retry_after", "retry_after_seconds"):
        if (seconds := _duration(_first(objects, name))) is not None:
            return seconds
    return _told_pause(message)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,9}(\.\d*)?\s*", text):
        return None
    return float(text)


def _duration(value: object) -> float | None:
    """Seconds, from a number or a text such as `34s` or `1m20s`."""
    if isinstance(value, int | float):
        return lenient.number(value) if 0 <= lenient.number(value) < 1e9 else None
    if not isinstance(value, str) or not _DURATION.fullmatch(value.strip().lower()):
        return _number(value) if isinstance(value, str) else None
    return sum(float(count) * _unit(unit) for count, unit in _TIME.findall(value.lower()))


def _seconds_until(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _told_pause(message: str) -> float | None:
    """Seconds, from a text such as "try again in 1m20s"."""
    found = _PAUSE.search(message[:2000])
    if found is None:
        return None
    pairs = (found.group(1, 2), found.group(3, 4))
    parts = [(_number(digits.rstrip(".")), unit.lower()) for digits, unit in pairs if digits]
    return sum((count or 0.0) * _unit(unit) for count, unit in parts)


def _unit(name: str) -> float:
    if name == "ms" or name.startswith("milli"):
        return 0.001
    return _UNITS[name[0]]
