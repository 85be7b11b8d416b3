"""What a model provider has answered to a question that costs nothing, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProviderAnswer = Literal[
    "answers",
    "unreachable",
    "wrong_key",
    "no_right",
    "no_quota",
    "limited",
    "failing",
    "foreign",
    "no_path",
]
"""`limited`: it asks to wait; `foreign`: what answers there is no model provider; `no_path`: it has
not the API that is configured, at least not behind this base URL."""


@dataclass(frozen=True)
class ProviderReport:
    """A model provider, as this process would ask it."""

    host: str
    answer: ProviderAnswer
    cause: str = ""
    """Part of a sentence: why it does not answer, without any part of the key."""
    models: frozenset[str] | None = None
    """The models that it lists; None: it has no list."""

    @property
    def is_usable(self) -> bool:
        """Whether runs can be executed with it, as far as it says."""
        return self.answer in ("answers", "limited")
