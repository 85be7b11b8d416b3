"""From the data of a stream's events to our events, whichever API it is of.

Here is what any server may add to a stream: pings, `[DONE]` in some form, several JSON values in
one event, and characters that are cut between two deltas, escaped or in the middle of their bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from threadmill_shared.errors import ModelError, ModelGarbled
from threadmill_shared.model import CodeDelta, ModelEvent, TextCited, TextDelta
from threadmill_shared.records import lenient
from threadmill_workers.models.errors import StreamFailed
from threadmill_workers.models.event_parser import EventParser, StreamEnd

_DONE = b"[DONE]"
_PING = re.compile(
    rb"[\w :.\[\]-]{0,40}(ping|keep-?alive|heartbeat|processing)[\w :.\[\]-]{0,40}",
    re.IGNORECASE,
)
"""Data that only keeps a connection open; most servers send a comment instead."""
_HALF_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escaped surrogate, which our JSON parser takes in pairs only."""


class EventReader:
    """Reads the events of one stream with the parser of its API."""

    def __init__(self, parser: EventParser) -> None:
        self._parser = parser
        self._half: TextDelta | CodeDelta | None = None
        """A delta of the first part of a character; the next one may begin with the rest."""

    def read(self, data: bytes) -> Sequence[ModelEvent]:
        """Return what the data of an event means.

        Raises:
            StreamFailed: the provider reports an error.
            ModelGarbled: the event violates the protocol.
        """
        if self._parser.turn is not None:
            return ()
        try:
            value = from_json(data)
        except ValueError:
            return self._read_odd(data.strip())
        if type(value) is not dict or self._half is not None:
            return self._with_whole_characters(self._parse(value))
        try:
            return self._parser.parse(value)
        except Exception as error:  # noqa: BLE001  an event may hold anything, in any place
            raise _failure(error) from None

    def read_rest(self, data: bytes) -> Sequence[ModelEvent]:
        """Return what the data of an event means that may have been cut; nothing if it was."""
        with suppress(ModelGarbled):
            return self.read(data)
        found: list[ModelEvent] = []
        for line in data.split(b"\n"):
            with suppress(ModelGarbled):
                found += self.read(line)
        return found

    def end(self, end: StreamEnd) -> Sequence[ModelEvent]:
        """Have the parser close its turn, unless it has; returns what the answer has besides.

        Raises:
            ModelGarbled: the stream broke off.
        """
        if self._parser.turn is not None:
            return ()
        return self._with_whole_characters(self._parser.close(end))

    def _read_odd(self, data: bytes) -> Sequence[ModelEvent]:
        """Read what is no JSON, or none that our parser takes."""
        if data.upper() == _DONE:
            return self.end(StreamEnd.DONE)
        if not data or _PING.fullmatch(data):
            return ()
        if _HALF_ESCAPED.search(data) or not _is_utf8(data):
            with suppress(ValueError, RecursionError):
                value = json.loads(data.decode(errors="surrogateescape"))
                return self._with_whole_characters(self._parse(value))
        lines = data.split(b"\n")
        if len(lines) > 1:  # Some servers end an event with one line feed only.
            return [event for line in lines for event in self.read(line)]
        raise _violation("no JSON")

    def _parse(self, value: Any) -> Sequence[ModelEvent]:
        if value is None:
            return ()
        if value and isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return [event for one in value for event in self._parse(one)]
        try:
            return self._parser.parse(value)
        except Exception as error:  # noqa: BLE001  as above
            raise _failure(error) from None

    def _with_whole_characters(self, events: Sequence[ModelEvent]) -> Sequence[ModelEvent]:
        """The events with all parts of a character in one delta."""
        found: list[ModelEvent] = []
        for event in events:
            if isinstance(event, TextCited):
                found.append(event)
                continue
            half, self._half = self._half, None
            if not isinstance(event, TextDelta | CodeDelta) or type(event) is not type(half):
                found += _alone(half)
                half = None
            if isinstance(event, TextDelta | CodeDelta):
                found += self._join(half, event)
            else:
                found.append(event)
        return found

    def _join(
        self, half: TextDelta | CodeDelta | None, delta: TextDelta | CodeDelta
    ) -> Sequence[ModelEvent]:
        text = (half.text if half else "") + delta.text
        if cut := lenient.cut_character(text):
            text, self._half = text.removesuffix(cut), type(delta)(cut)
        return (type(delta)(lenient.whole_characters(text)),) if text else ()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _alone(half: TextDelta | CodeDelta | None) -> Sequence[ModelEvent]:
    return () if half is None else (type(half)(lenient.whole_characters(half.text)),)


def _failure(error: Exception) -> Exception:
    """The error for one that a parser has raised."""
    if isinstance(error, StreamFailed | ModelError):
        return error
    return _violation(type(error).__name__)


def _violation(what: str) -> ModelGarbled:
    return ModelGarbled(
        f"The model provider sent an event that violates its protocol ({what}); check that"
        " THREADMILL_MODEL_API is the API that OPENAI_BASE_URL speaks."
    )
