"""Which opaque fields and ids a model takes back, and which it insists on, as its refusals tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from threadmill_shared.records import lenient

Json = dict[str, Any]

FILLERS: Mapping[str, Any] = {"reasoning_content": " ", "reasoning": " "}
"""What stands for reasoning that is not known. DeepSeek and Kimi check that messages with calls
have some, DeepSeek that all messages have, if there are tools; neither takes an empty text."""
SIGNATURE = "thought_signature"
UNSIGNED: Json = {"google": {SIGNATURE: "skip_thought_signature_validator"}}
"""The `extra_content` of a call that Gemini has not signed: Google's own word for calls of another
model."""
_MISSING = re.compile(
    r"missing|passed back|\brequire[sd]?\b|must (be (provided|included|present|sent|set)|have)"
)
_NOT_TAKEN = re.compile(
    r"\bunknown\b|unsupported|not supported|does ?n[o']t support|unrecogni[sz]ed|\bunexpected\b"
    r"|\bextra\b|extra_forbidden|not (allowed|permitted|accepted)|additional propert|please remove"
    r"|\b(invalid|valid|find|such) (parameter|field|property|argument|key|member)\b"
)
"""Of a field that the server does not have."""
_OF_A_VALUE = re.compile(r"(unsupported|unknown|unexpected|unrecogni[sz]ed) (value|format|type)\b")
"""Of what one thread has in a field: that says nothing about other threads."""
_NINE = re.compile(r"\btool.?call.?id\b.{0,200}\blength of 9\b", re.DOTALL)
"""Mistral's models take ids of nine letters and digits only, also of another provider's calls."""
_MESSAGE = frozenset(("role", "content", "tool_calls"))
_CALL = frozenset(("id", "type", "function"))
_FUNCTION = frozenset(("name", "arguments"))


@dataclass(frozen=True, slots=True)
class FieldRules:
    """What one model has said of opaque fields so far."""

    refused: frozenset[str] = frozenset()
    demanded: frozenset[str] = frozenset()
    has_short_ids: bool = False
    """Whether all ids of calls must have nine letters and digits."""

    def after_refusal(self, said: str, sent: Collection[str]) -> FieldRules:
        """The rules with what a refusal adds to them; its word goes for more than earlier ones.

        Args:
            said: the provider's words.
            sent: names of the opaque fields that it has refused, or lacked one.
        """
        text = said.lower()
        if _NINE.search(text):
            return replace(self, has_short_ids=True)
        if _MISSING.search(text):
            named = {name for name in (*FILLERS, SIGNATURE) if _names(text, name)}
            return self._with_demanded(named)
        if _NOT_TAKEN.search(text) and not _OF_A_VALUE.search(text):
            named = {name for name in sent if _names(text, name.lower())}
            refused, demanded = self.refused | named, self.demanded - named
            return replace(self, refused=refused, demanded=demanded)
        return self

    def _with_demanded(self, named: set[str]) -> FieldRules:
        carriers = {"extra_content"} if SIGNATURE in named else set()
        refused, demanded = self.refused - named - carriers, self.demanded | named
        return replace(self, refused=refused, demanded=demanded)

    def fill_message(self, message: Json) -> None:
        """Add what an assistant's message lacks."""
        for name in self.demanded & FILLERS.keys():
            message[name] = message.get(name) or FILLERS[name]

    def fill_call(self, call: Json) -> None:
        """Add what a call lacks."""
        if SIGNATURE in self.demanded and "extra_content" not in self.refused:
            call.setdefault("extra_content", UNSIGNED)


NO_RULES = FieldRules()


def opaque_names(body: Json) -> set[str]:
    """The names of all opaque fields in a body of Chat Completions."""
    names: set[str] = set()
    for message in lenient.objects(body.get("messages")):
        if message.get("role") == "assistant":
            names |= message.keys() - _MESSAGE
            for call in lenient.objects(message.get("tool_calls")):
                names |= call.keys() - _CALL
                names |= lenient.json_object(call.get("function")).keys() - _FUNCTION
    return names


def _names(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None
