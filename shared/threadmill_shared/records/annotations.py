"""What a message cites, as it is stored and read: each annotation has a text of its own.

Users replace `annotation.text` by a footnote or a link. So it is never empty, it occurs exactly
once in the message's text, and it lies at `start_index:end_index`. If a citation has no such piece
of the text, the text gets a marker for it. Places are counted in characters, as Python counts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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


def occurs_once(text: str, piece: str) -> bool:
    """Whether a piece is in the text exactly once; the empty one is not."""
    first = text.find(piece) if piece else -1
    return first >= 0 and text.find(piece, first + 1) < 0


def without_markers(text: str, annotations: Iterable[Json]) -> str:
    """The text as the model wrote it: it would imitate markers that it finds in its messages."""
    for one in annotations:
        cited = one.get("text")
        if isinstance(cited, str) and _MARKER.fullmatch(cited):
            text = text.replace(cited, "", 1)
    return text


def with_texts(text: str, annotations: Sequence[Json]) -> tuple[str, Sequence[Json]]:
    """A text and its annotations, with markers for those that were stored without a text.

    Releases before the markers stored such ones, and imported conversations can have them.
    """
    if all(one.get("text") for one in annotations):
        return text, annotations
    shown, done = text, []
    shift = 0
    for number, one in enumerate(sorted(annotations, key=_start)):
        start, end = _start(one), max(_start(one), _index(one, "end_index"))
        piece = one.get("text") or text[start:end]
        if not occurs_once(text, piece):
            at = min(start, len(text)) + shift
            piece = new_marker(shown, 0, number)
            shown = shown[:at] + piece + shown[at:]
            shift += len(piece)
        done.append(one | {"text": piece})
    return shown, [_placed(shown, one) for one in done]


def _placed(text: str, one: Json) -> Json:
    start = text.find(one["text"])
    return one | {"start_index": start, "end_index": start + len(one["text"])}


def _start(one: Json) -> int:
    return _index(one, "start_index")


def _index(one: Json, name: str) -> int:
    value = one.get(name)
    return value if isinstance(value, int) else 0
