"""The text of a message that is being written, with a piece or a marker for each citation.

The text is streamed, so it can only grow: a marker is put at its end at that time. Providers send
the citation of a file when the text has come to its place, so that is the right place, too. Places
of providers are counted in code points, as Python counts characters.
"""

from __future__ import annotations

from typing import Any

from threadmill_shared.model import shifted
from threadmill_shared.records.annotations import (
    annotation_form,
    is_marker,
    new_marker,
    occurs_once,
)

Json = dict[str, Any]

_LINK = "sandbox:/mnt/data/"
"""What models write before the name of a file that their code has written."""


class AnnotatedText:
    """The text of one message, and what it cites."""

    def __init__(self, message: int, *, may_mark: bool) -> None:
        """It is empty.

        Args:
            message: the message's number in its run.
            may_mark: whether markers can be put into the text; they would spoil JSON.
        """
        self.annotations: list[Json] = []
        """What is cited, with its text and place."""
        self.spans: list[Json] = []
        """Citations of pieces of the text, which are settled when it is whole."""
        self._message = message
        self._may_mark = may_mark
        self._pieces: list[str] = []
        self._marks: list[tuple[int, int]] = []
        """Place and length of each marker."""
        self._before = 0
        """Characters before the message that is being written, without markers."""

    @property
    def value(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """Continue the text."""
        self._pieces.append(piece)

    def begin_next(self) -> None:
        """Begin another message of the provider in the same text; its places count from here."""
        self._before = len(self.value) - sum(length for _, length in self._marks)

    def cite(self, cited: Json) -> str:
        """Take a citation, in the Responses API's form; returns a marker to be streamed, if any."""
        if cited.get("type") in ("file_citation", "file_path"):
            return self.mark(annotation_form(cited))
        self.spans.append(shifted(cited, self._before))
        return ""

    def mark(self, form: Json) -> str:
        """Cite at the end of the text; returns the marker to be streamed, empty if none may be."""
        if not self._may_mark:
            return ""
        text = self.value
        marker = new_marker(text, self._message, len(self.annotations))
        self._marks.append((len(text), len(marker)))
        self._place(form, len(text), marker)
        self.add(marker)
        return marker

    def settle(self, cited: Json, form: Json, *, may_mark: bool = True) -> str:
        """Cite a piece of the text, which is whole; returns a marker to be streamed, if any.

        Args:
            cited: one of `spans`.
            form: what is stored of it, without its place.
            may_mark: whether it is marked if the text has no piece for it; otherwise it is dropped.
        """
        text = self.value
        start, end = self._span(cited, text)
        piece = text[start:end]
        # What the model has written in a marker's form is its text, and must be sent back to it.
        if is_marker(piece) or not (occurs_once(text, piece) and self._is_free(start, end)):
            return self.mark(form) if may_mark else ""
        self._place(form, start, piece)
        return ""

    def renew_markers(self) -> str:
        """Replace markers that the model has written, too; returns what is to be streamed."""
        text = self.value
        spoilt = [one for one in self.annotations if not occurs_once(text, one["text"])]
        self.annotations = [one for one in self.annotations if one not in spoilt]
        return "".join(map(self.mark, spoilt))

    def in_order(self) -> list[Json]:
        """What is cited, in the order of the text."""
        return sorted(self.annotations, key=lambda one: int(one["start_index"]))

    def _place(self, form: Json, start: int, text: str) -> None:
        place = {"start_index": start, "end_index": start + len(text), "text": text}
        self.annotations.append(form | place)

    def _span(self, cited: Json, text: str) -> tuple[int, int]:
        start = self._shown_at(cited.get("start_index", 0), is_end=False)
        end = self._shown_at(cited.get("end_index", 0), is_end=True)
        name = cited.get("filename")
        link = f"{_LINK}{name}"
        if name and name not in text[start:end] and link in text:
            start = text.index(link)  # some providers cite a file without the place of its link
            end = start + len(link)
        return (start, end) if start < end <= len(text) else (0, 0)

    def _shown_at(self, position: int, *, is_end: bool) -> int:
        """A place in the provider's text as a place in ours, which has markers."""
        for at, length in self._marks:
            if at < position or (at == position and not is_end):
                position += length
        return position

    def _is_free(self, start: int, end: int) -> bool:
        """Whether the piece overlaps nothing that is cited already."""
        return all(
            end <= one["start_index"] or one["end_index"] <= start for one in self.annotations
        )
