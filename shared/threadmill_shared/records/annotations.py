"""What a message cites, as it is stored and read: each annotation has a text of its own.

Users replace `annotation.text` by a footnote or a link. So it is never empty, it occurs exactly
once in the message's text, and it lies at `start_index:end_index`. If a citation has no such piece
of the text, the text gets a marker for it. Places are counted in characters, as Python counts them.
"""

from __future__ import annotations

import re
from bisect import bisect, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Json = dict[str, Any]

_MARKER = re.compile(r"【[^【】†]*†[^【】]*】")


class Annotation(dict[str, Any]):
    """A citation. Its fields are attributes and keys: `annotation.file_citation.file_id`."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(
                f"This annotation has no field {name!r}. It has: {', '.join(self)}."
            ) from None
        return Annotation(value) if isinstance(value, dict) else value


def annotation_form(cited: Json) -> Json:
    """A citation of a provider in the Assistants API's shape, without its place."""
    kind = cited.get("type")
    if kind not in ("file_citation", "file_path"):
        return {name: value for name, value in cited.items() if name != "index"}
    file = {"file_id": cited["file_id"]}
    if kind == "file_citation":
        file["filename"] = cited.get("filename")
    return {"type": kind, kind: file}


def new_marker(text: str, message: int, number: int) -> str:
    """A marker that is not in the text: with this number, or the next free one."""
    while (marker := f"【{message}:{number}†source】") in text:
        number += 1
    return marker


def is_marker(text: str) -> bool:
    """Whether a text has a marker's form, whoever has written it."""
    return _MARKER.fullmatch(text) is not None


def occurs_once(text: str, piece: str) -> bool:
    """Whether a piece is in the text exactly once; the empty one is not."""
    first = text.find(piece) if piece else -1
    return first >= 0 and text.find(piece, first + 1) < 0


def without_markers(text: str, annotations: Iterable[Json]) -> str:
    """The text as the model wrote it: it would imitate markers that it finds in its messages."""
    for one in annotations:
        cited = one.get("text")
        if isinstance(cited, str) and is_marker(cited):
            text = text.replace(cited, "", 1)
    return text


def with_texts(text: str, annotations: Sequence[Json]) -> tuple[str, Sequence[Json]]:
    """A text and its annotations, each with a piece of its own, if necessary a new marker.

    Releases before the markers stored annotations without a text. In imported conversations they
    can have any text and place, and several can have the same.
    """
    if _are_sound(text, annotations):
        return text, annotations
    cited = sorted(annotations, key=lambda one: _span(one, text))
    pieces = _own_pieces(text, cited)
    while True:
        shown, done = _with_pieces(text, cited, pieces)
        # A new marker can repeat a piece, such as "source".
        spoilt = [
            at for at, one in done.items() if pieces[at] and not occurs_once(shown, one["text"])
        ]
        if not spoilt:
            return shown, [*done.values()]
        pieces = [None if at in spoilt else piece for at, piece in enumerate(pieces)]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the text that one annotation cites."""

    start: int
    end: int
    is_kept: bool = True
    """Whether it stays; otherwise a new marker replaces it."""


def _are_sound(text: str, annotations: Sequence[Json]) -> bool:
    spans = sorted(_span(one, text) for one in annotations)
    return all(a[1] <= b[0] for a, b in pairwise(spans)) and all(
        isinstance(one.get("text"), str)
        and occurs_once(text, one["text"])
        and (one.get("start_index"), one.get("end_index")) == _span(one, text)
        and text[slice(*_span(one, text))] == one["text"]
        for one in annotations
    )


def _own_pieces(text: str, cited: Sequence[Json]) -> list[_Piece | None]:
    """What each one cites; None if nothing is left for it."""
    taken: list[_Piece] = []
    pieces = []
    for one in cited:
        piece = next((new for new in _candidates(text, one) if _is_free(new, taken)), None)
        pieces.append(piece)
        if piece:
            insort(taken, piece, key=_start)
    return pieces


def _candidates(text: str, one: Json) -> Iterator[_Piece]:
    given = one.get("text")
    start, end = _span(one, text)
    if isinstance(given, str):
        if occurs_once(text, given):
            yield _Piece(text.find(given), text.find(given) + len(given))
        elif is_marker(given):
            places = [found.start() for found in re.finditer(re.escape(given), text)]
            for at in sorted(places, key=lambda at: at != start):
                yield _Piece(at, at + len(given), is_kept=False)
    if occurs_once(text, text[start:end]):
        yield _Piece(start, end)


def _is_free(piece: _Piece, taken: Sequence[_Piece]) -> bool:
    """Whether it overlaps none of these, which are in the order of the text."""
    at = bisect(taken, piece.start, key=_start)
    return (not at or taken[at - 1].end <= piece.start) and (
        at == len(taken) or piece.end <= taken[at].start
    )


def _start(piece: _Piece) -> int:
    return piece.start


def _with_pieces(
    text: str, cited: Sequence[Json], pieces: Sequence[_Piece | None]
) -> tuple[str, dict[int, Json]]:
    """The text with markers, and the annotations by their numbers, in the order of the text."""
    all_pieces = [
        piece or _new_place(_span(one, text)[1], pieces)
        for one, piece in zip(cited, pieces, strict=True)
    ]
    done: dict[int, Json] = {}
    shown, known, after = "", text, 0
    for number in sorted(range(len(cited)), key=lambda n: (all_pieces[n].start, all_pieces[n].end)):
        piece = all_pieces[number]
        own = text[piece.start : piece.end] if piece.is_kept else new_marker(known, 0, len(done))
        known += "" if piece.is_kept else own
        shown += text[after : piece.start]
        place = {"start_index": len(shown), "end_index": len(shown) + len(own)}
        done[number] = cited[number] | place | {"text": own}
        shown, after = shown + own, piece.end
    return shown + text[after:], done


def _new_place(at: int, pieces: Iterable[_Piece | None]) -> _Piece:
    """Where a marker is put in: there, or behind the piece that it would divide."""
    ends = (one.end for one in pieces if one and one.start < at < one.end)
    at = next(ends, at)
    return _Piece(at, at, is_kept=False)


def _span(one: Json, text: str) -> tuple[int, int]:
    """Where it says that it is, within the text."""
    start = _index(one, "start_index", len(text))
    return start, max(start, _index(one, "end_index", len(text)))


def _index(one: Json, name: str, most: int) -> int:
    value = one.get(name)
    return max(0, min(value, most)) if isinstance(value, int) else 0
