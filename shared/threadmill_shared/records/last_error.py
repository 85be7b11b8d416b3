"""Why a run failed or expired, as it is stored, sent and shown."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]

_IN_OWN_WORDS = frozenset(
    {"ToolNotFound", "ToolInterrupted", "StoreIncompatible", "worker_lost", "deadline"}
)
"""Errors whose messages are made of words of ours, ids, and names that developers have chosen."""


class LastError(BaseModel):
    """Why a run failed or expired."""

    # Fields that only a later release knows are not shown.
    model_config = ConfigDict(frozen=True, extra="ignore")

    code: ErrorCode
    """The Assistants API's code."""
    name: str
    """The exact name: `ModelRefused`, `worker_lost`, `deadline`, ..."""
    message: str
    """For people; it begins with the name."""

    @property
    def for_log(self) -> str:
        """The message if it quotes no user, model or provider; else the name only."""
        return self.message if self.name in _IN_OWN_WORDS else self.name

    @classmethod
    def of(cls, name: str, text: str, code: ErrorCode = "server_error") -> LastError:
        """An error with this name, which its message repeats."""
        # Text of a provider may have lone surrogates, which JSON cannot have.
        message = f"{name}: {text}".encode("utf-8", "backslashreplace").decode()
        return cls(code=code, name=name, message=message)
