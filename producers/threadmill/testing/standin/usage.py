"""What an answer is counted as."""

from __future__ import annotations

from collections.abc import Iterable

from threadmill.testing.standin.conversation import Request
from threadmill.testing.standin.replies import Part, Reasoning, Reply
from threadmill_shared.model import Usage


def usage_of(request: Request, reply: Reply) -> Usage:
    """The usage that the reply names, or a count: a token per delta, a quarter per byte asked."""
    if reply.usage is not None:
        return reply.usage
    completion = _count(reply.parts)
    return Usage(request.prompt_tokens, completion, request.prompt_tokens + completion)


def reasoning_tokens(reply: Reply) -> int:
    """How many of the reply's tokens are reasoning."""
    return _count(part for part in reply.parts if isinstance(part, Reasoning))


def _count(parts: Iterable[Part]) -> int:
    return sum(len(part.tokens) for part in parts)
