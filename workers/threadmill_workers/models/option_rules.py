"""Options of Chat Completions that a server does not have, as its refusals tell.

Mistral refuses `stream_options`, and tells the usage without being asked for it. It and older
servers know the answer's limit by its first name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

_INSTEAD: Mapping[str, str | None] = {
    "stream_options": None,
    "max_completion_tokens": "max_tokens",
}
"""What is sent in place of an option; None: nothing."""
_NOT_KNOWN = re.compile(
    r"\bextra\b|extra_forbidden|\b(unknown|unrecogni[sz]ed|unexpected|unsupported) "
    r"(name|param\w*|argument|field|key|property|keyword)|not (permitted|allowed|accepted)"
    r"|\b(not|n't) support\b|\bnot supported\b|\bunsupported_parameter\b",
    re.IGNORECASE,
)
"""Of an option that the server does not have; a value that it does not take is another matter."""


@dataclass(frozen=True, slots=True)
class OptionRules:
    """The options that a model's server has refused so far."""

    refused: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    """Those that were refused, but so was what was sent in their place."""

    def after_refusal(self, said: str, body: Json) -> OptionRules:
        """The rules with what a refusal adds to them.

        Args:
            said: the provider's words.
            body: what it has refused.
        """
        if not _NOT_KNOWN.search(said):
            return self
        back = {name for name in self.refused if _names(said, body, _INSTEAD[name])}
        named = {name for name in _INSTEAD if _names(said, body, name)} - back - self.kept
        return replace(self, refused=self.refused - back | named, kept=self.kept | back)

    def apply(self, body: Json) -> Json:
        """The body with the options that the server has."""
        if self.refused.isdisjoint(body):
            return body
        kept = {name: value for name, value in body.items() if name not in self.refused}
        for name in self.refused & body.keys():
            if (other := _INSTEAD[name]) is not None:
                kept.setdefault(other, body[name])
        return kept


NO_OPTION_RULES = OptionRules()


def _names(said: str, body: Json, option: str | None) -> bool:
    """Whether a refusal of the body names the option, which is in it."""
    return option is not None and option in body and bool(re.search(rf"\b{option}\b", said))
