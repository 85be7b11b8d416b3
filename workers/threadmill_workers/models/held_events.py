"""Events of the Responses API that came while the provider executed a call, and wait for its end.

A provider may go on with one item of a response while it executes another. We write one step after
the other, because clients take no other order: what belongs to another item is read when the call
has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared.records import lenient
from threadmill_workers.models.hosted import KINDS

Json = dict[str, Any]

TEXT_DELTAS = ("response.output_text.delta", "response.refusal.delta")
_OF_MESSAGES = (
    *TEXT_DELTAS,
    "response.output_text.done",
    "response.refusal.done",
    "response.output_text.annotation.added",
)
_CODE = "response.code_interpreter_call_code.delta"
_ITEMS = ("response.output_item.added", "response.output_item.done")


class HeldEvents:
    """Which call is executed at the moment, and what waits for its end."""

    def __init__(self) -> None:
        """No call is executed."""
        self.is_calling = False
        self._kind = ""
        self._id: object = None
        self._place: object = None
        self._held: list[Json] = []

    @property
    def have_text(self) -> bool:
        """Whether a piece of a text waits."""
        return any(event.get("type") in TEXT_DELTAS for event in self._held)

    def begin_call(self, item: Json, place: object = None) -> None:
        """A call is executed from now on; its place is that in the response, if that is known."""
        self.is_calling = True
        self._kind, self._id, self._place = item["type"], item.get("id"), place

    def end_call(self) -> list[Json]:
        """The call has ended, or its end will not come; returns what has waited for that."""
        self.is_calling = False
        held, self._held = self._held, []
        return held

    def hold(self, event: Json) -> bool:
        """Keep an event that must wait; False: it is of the call, or may come at any time."""
        waits = self.is_calling and self._is_of_another(event)
        if waits:
            self._held.append(event)
        return waits

    def find_end(self, output: Sequence[Json]) -> Json | None:
        """The call's item in a whole response; None: no call is executed, or it is not there."""
        if not self.is_calling:
            return None
        own = (item for place, item in enumerate(output) if self._is_own(item, place))
        return next(own, None)

    def _is_of_another(self, event: Json) -> bool:
        kind = event.get("type")
        if kind in _OF_MESSAGES:
            return True
        if kind == _CODE:
            return not self._is_own({"type": self._kind, "id": event.get("item_id")}, _place(event))
        item = lenient.json_object(event.get("item"))
        type = lenient.text(item.get("type"))
        if kind not in _ITEMS or (type != "message" and type not in KINDS):
            return False
        return not self._is_own(item, _place(event))

    def _is_own(self, item: Json, place: object) -> bool:
        if item.get("type") != self._kind:
            return False
        names = ((self._id, item.get("id")), (self._place, place))
        known = [mine == its for mine, its in names if mine is not None and its is not None]
        return any(known) or not known


def _place(event: Json) -> object:
    return event.get("output_index")
