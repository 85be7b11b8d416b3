"""The stored opaque fields of a turn, as they go back with its message and calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from threadmill_shared.records import lenient
from threadmill_shared.records.items import CHAT_FIELDS, Item, ReasoningItem
from threadmill_workers.models.field_rules import FieldRules

Json = dict[str, Any]

_OWN_OF_MESSAGE = frozenset(("role", "content", "tool_calls", "tool_call_id", "function_call"))


class ReturnedFields:
    """The fields of the turn whose items are being sent."""

    def __init__(self, model: str, rules: FieldRules) -> None:
        """No turn yet.

        Args:
            model: what is asked; only fields that came from it go back.
            rules: what it takes and insists on.
        """
        self._model = model
        self._rules = rules
        self._run_id: str | None = None
        self._message: Json = {}
        self._calls: Iterator[Json] = iter(())

    def pass_item(self, item: Item) -> None:
        """Take note of the next item: a turn begins, or continues, or its fields have ended."""
        if item["type"] == "reasoning":
            if lenient.json_object(item["data"]).get("type") == CHAT_FIELDS:
                self._begin(item)
        elif not self._is_of_turn(item):
            self._run_id, self._message, self._calls = None, {}, iter(())

    def add_to_message(self, message: Json) -> None:
        """Add those of the turn's message."""
        message.update(self._message)
        self._rules.fill_message(message)

    def add_call(self, message: Json, call: Json) -> None:
        """Add the turn's next call to its message, with what came with both."""
        fields = self._taken(next(self._calls, {}))
        function = self._taken(lenient.json_object(fields.get("function")))
        whole = {**fields, **call, "function": {**function, **call["function"]}}
        self._rules.fill_call(whole)
        self.add_to_message(message)
        message.setdefault("tool_calls", []).append(whole)

    def _is_of_turn(self, item: Item) -> bool:
        is_models = item["type"] == "tool_call" or (
            item["type"] == "message" and item["role"] == "assistant"
        )
        return is_models and item.get("run_id") == self._run_id

    def _begin(self, item: ReasoningItem) -> None:
        data = lenient.json_object(lenient.storable(item["data"]))
        if data.get("model") != self._model:
            data = {}
        message = self._taken(lenient.json_object(data.get("message")))
        self._run_id = item["run_id"]
        self._message = {n: v for n, v in message.items() if n not in _OWN_OF_MESSAGE}
        self._calls = iter(lenient.objects(data.get("calls")))

    def _taken(self, fields: Json) -> Json:
        """The fields without those that the provider does not take."""
        return {name: value for name, value in fields.items() if name not in self._rules.refused}
