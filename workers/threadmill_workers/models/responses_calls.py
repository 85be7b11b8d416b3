"""Calls of functions in the Responses API that have begun, and what has come of each.

Most providers repeat a whole call when it ends. Some do not: then its parts are in other events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class OpenCalls:
    """The calls of one response that have begun and not ended."""

    def __init__(self) -> None:
        self._calls: list[Json] = []

    def __bool__(self) -> bool:
        return any(call.get("name") for call in self._calls)

    def begin(self, event: Json, item: Json) -> None:
        """Take the item of a call that has begun, and the event that tells it."""
        arguments = item.get("arguments") or ""
        place: Json = {
            "output_index": event.get("output_index"),
            "arguments": arguments,
            "pieces": [],
        }
        self._calls.append({**item, **place})

    def extend(self, event: Json) -> None:
        """Take a piece of a call's arguments."""
        call = self._extended(event)
        if call is not None and isinstance(event.get("delta"), str):
            call["pieces"].append(event["delta"])

    def complete(self, event: Json) -> None:
        """Take a call's arguments whole."""
        if (call := self._extended(event)) is not None:
            call["name"] = call.get("name") or event.get("name")
            call["arguments"] = event.get("arguments") or call["arguments"]

    def end(self, item: Json) -> Json:
        """Return the call that has ended with this item, with what the item lacks."""
        call = self._find(("id", item.get("id")), ("call_id", item.get("call_id")))
        if call is None:
            call = self._find(("name", item.get("name")))
        if call is None:
            return item
        self._calls.remove(call)
        return _whole(call) | {name: value for name, value in item.items() if value}

    def left(self) -> Sequence[Json]:
        """Return the calls that have not ended, as far as their parts have come."""
        calls, self._calls = self._calls, []
        return [_whole(call) for call in calls if call.get("name")]

    def _extended(self, event: Json) -> Json | None:
        """The call that an event belongs to; the last one, if it names none that has begun."""
        places = ("id", event.get("item_id")), ("output_index", event.get("output_index"))
        call = self._find(*places)
        return self._calls[-1] if call is None and self._calls else call

    def _find(self, *places: tuple[str, object]) -> Json | None:
        for name, value in places:
            for call in self._calls:
                if value is not None and call.get(name) == value:
                    return call
        return None


def _whole(call: Json) -> Json:
    own = {name: value for name, value in call.items() if name not in ("pieces", "output_index")}
    return own | {"arguments": call["arguments"] or "".join(call["pieces"])}
