"""Tool calls of Chat Completions, from the pieces in which they arrive.

By the protocol each piece has its call's index, and the first one its id and its whole name.
Servers leave out the index or give all calls the same one, leave out ids, repeat ids and names or
cut them, and send arguments as an object.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.model import ToolCalled
from threadmill_shared.records import lenient
from threadmill_workers.models.opaque_fields import OpaqueFields
from threadmill_workers.models.parsing import parse_count, parse_tool_call

Json = dict[str, Any]

_CHANCE = 64
"""Characters of the first piece that may come once more although all pieces are new."""


@dataclass(slots=True)
class _Piece:
    """A piece of a call; what it lacks is empty."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Call:
    """A tool call that is still being written."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    latest: str = ""
    """The last piece of them, if each has begun with the one before it."""
    opaque: OpaqueFields = field(default_factory=OpaqueFields)
    is_named_again: bool = False
    """Whether its name came once more after its arguments; another call may begin so."""

    def add_arguments(self, text: str) -> None:
        """Add a piece, which may have all so far once more."""
        if not self.arguments:
            self.latest = text
        elif self.latest and text:
            is_repeated = text.startswith(self.latest)
            if is_repeated and len(self.latest) > _CHANCE:
                self.arguments = ""
            self.latest = text if is_repeated else ""
        self.arguments += text

    def made_arguments(self) -> str:
        """The pieces together; the last one if only that is a whole object."""
        if self.latest != self.arguments and _is_whole(self.latest):
            return self.arguments if _is_whole(self.arguments) else self.latest
        return self.arguments

    def is_whole(self) -> bool:
        """Whether the arguments are a whole object."""
        return _is_whole(self.arguments) or _is_whole(self.latest)

    def has_other_id(self, piece: _Piece) -> bool:
        return bool(piece.id and self.id and piece.id != self.id)

    def is_repeated(self, piece: _Piece) -> bool:
        """Whether the piece is the whole call once more."""
        return (piece.id, piece.name, piece.arguments) == (
            self.id,
            self.name,
            self.made_arguments(),
        )


class StreamedCalls:
    """The calls of one answer."""

    def __init__(self, tools: Collection[str] = ()) -> None:
        """No call yet.

        Args:
            tools: the names that the model may call; they tell a new name from the rest of one.
        """
        self.pieces = 0
        """How many have come."""
        self._tools = frozenset(tools)
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return any(call.name for call in self._calls)

    def add(self, data: Json) -> None:
        """Take a piece.

        Raises:
            Exception: it is no piece of a call.
        """
        self.pieces += 1
        function = data.get("function") or data
        piece = _Piece(
            id=lenient.text(data.get("id")),
            name=lenient.text(function.get("name")),
            arguments=_text_of_arguments(function.get("arguments")),
        )
        call = self._call_of(data.get("index"), piece)
        self._extend(call, piece)
        call.opaque.add_from_call(data, function)

    def ended(self) -> list[ToolCalled]:
        """All calls, now that no piece comes any more."""
        return [parse_tool_call(call.name, call.made_arguments(), call.id) for call in self._made()]

    def opaque_fields(self) -> list[Json]:
        """Of each of these calls what only its model understands."""
        return [call.opaque.ended() for call in self._made()]

    def _made(self) -> list[_Call]:
        return [call for call in self._calls if call.name or call.arguments]

    def _call_of(self, told: object, piece: _Piece) -> _Call:
        """Return the call that this piece continues, or a new one."""
        index = parse_count(told)
        call = self._continued(index, piece)
        if call is None or self._begins(call, piece):
            call = _Call(name=call.name if call and call.is_named_again else "")
            self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _continued(self, index: int | None, piece: _Piece) -> _Call | None:
        """Return the call that this piece continues, unless its content says that it begins one."""
        call = None if index is None else self._by_index.get(index)
        same = [call for call in self._calls if piece.id and call.id == piece.id]
        if call is not None and not (same and call.has_other_id(piece)):
            return call
        if call is None and index is not None and piece.name:
            return None
        return next(reversed(same or self._calls), None)

    def _begins(self, call: _Call, piece: _Piece) -> bool:
        """Whether the piece begins another call than the one at its place."""
        if not piece.name and call.is_named_again and piece.arguments.strip():
            return True
        if not piece.name:
            return call.has_other_id(piece) and not piece.arguments and call.is_whole()
        if not call.name or call.has_other_id(piece):
            return bool(call.name)
        is_other = piece.name != call.name
        if not call.arguments:
            return is_other and {piece.name, call.name} <= self._tools
        if call.is_whole():
            return bool(is_other or piece.arguments) and not (piece.id and call.is_repeated(piece))
        return is_other and not piece.id

    def _extend(self, call: _Call, piece: _Piece) -> None:
        if piece.id and call.is_repeated(piece):
            return
        call.id = call.id or piece.id
        if piece.name and not piece.arguments:
            call.is_named_again = call.is_whole()
        if not call.name or not call.arguments:
            call.name = self._longer_name(call.name, piece.name)
        if call.arguments == "{}" and piece.arguments.startswith("{"):
            call.arguments = ""  # It stood for arguments that were still to come.
        call.add_arguments(piece.arguments)

    def _longer_name(self, name: str, more: str) -> str:
        """The name with what has come now: its rest, or the name once more."""
        is_rest = name + more in self._tools or not more.startswith(name)
        return name + more if is_rest else more


def _is_whole(arguments: str) -> bool:
    text = arguments.strip()
    if not text.startswith("{") or not text.endswith("}"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text_of_arguments(arguments: object) -> str:
    # As it came: it may end in the middle of a character.
    return arguments if isinstance(arguments, str) else lenient.text(arguments)
