"""The citations of a message that is being received, each told where the text has come to it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from typing import Any

from threadmill_shared.model import ModelEvent, TextCited, TextDelta, shifted
from threadmill_shared.records import lenient
from threadmill_workers.models.parsing import parse_citation, parse_text

Json = dict[str, Any]


class Citations:
    """Text and citations of one message of the Responses API.

    Providers count places in code points, in each part of a message. A few count UTF-16 units; the
    citation of such a one is known by coming exactly when the text has so many.
    """

    def __init__(self) -> None:
        self._length = 0
        """Characters of the message so far."""
        self._pairs = 0
        """Those of them in the part that are two units in UTF-16."""
        self._part: int | None = None
        self._part_begins = 0
        self._received: list[Json] = []
        """Citations as they were received; the message's end repeats them."""
        self._ahead: list[Json] = []
        """Citations that the text has not come to."""
        self._spans: list[Json] = []
        """Citations of a piece of the text, for its end."""

    def text(self, text: str, part: object) -> Sequence[ModelEvent]:
        """Continue the text with a piece of a part; returns it, and what it has come to."""
        self._enter(part)
        return tuple(self._cut(text)) if self._ahead else (self._delta(text),)

    def _cut(self, text: str) -> Iterator[ModelEvent]:
        while self._ahead and self._ahead[0]["index"] <= self._length + len(text):
            cited = self._ahead.pop(0)
            cut = max(cited["index"] - self._length, 0)
            if cut:
                yield self._delta(text[:cut])
            yield TextCited(cited)
            text = text[cut:]
        if text:
            yield self._delta(text)

    def cite(self, data: object, part: object) -> Iterator[ModelEvent]:
        """Take a citation of a part."""
        found = parse_citation(lenient.json_object(data))
        if found is None:
            return
        self._received.append(found)
        self._enter(part)
        cited = shifted(found, self._part_begins)
        if cited["type"] not in ("file_citation", "file_path"):
            self._spans.append(cited)
        elif self._is_ahead(cited):
            insort(self._ahead, cited, key=lambda one: int(one["index"]))
        else:
            yield TextCited(cited)

    def end(self, parts: object = ()) -> Sequence[Json]:
        """End the message; returns the citations that were not yielded.

        Args:
            parts: its content, if it was received as a whole, too.
        """
        begins = 0
        for part in lenient.objects(parts):
            for data in lenient.objects(part.get("annotations")):
                self._add_missing(parse_citation(data), begins)
            begins += len(parse_text(part))
        return (*self._ahead, *self._spans)

    def _delta(self, text: str) -> TextDelta:
        self._length += len(text)
        if not text.isascii():
            self._pairs += sum(character > "\uffff" for character in text)
        return TextDelta(text)

    def _enter(self, part: object) -> None:
        if part != self._part and isinstance(part, int):
            self._part, self._part_begins, self._pairs = part, self._length, 0

    def _is_ahead(self, cited: Json) -> bool:
        index = cited.get("index")
        if index is None or index == self._length + self._pairs:
            return False
        return int(index) > self._length

    def _add_missing(self, cited: Json | None, begins: int) -> None:
        if cited is None:
            return
        if cited in self._received:
            self._received.remove(cited)
        else:
            self._spans.append(shifted(cited, begins))
