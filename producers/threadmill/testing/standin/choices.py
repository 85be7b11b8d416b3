"""What `tool_choice` demands of an answer, and answers that contradict it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill.testing.standin.conversation import Request, dicts
from threadmill.testing.standin.replies import Call, Code, Reply, Search, WebQuery
from threadmill_shared.model import FinishReason

_HOSTED = {Code: "code_interpreter", Search: "file_search", WebQuery: "web_search"}


class ContradictsToolChoice(Exception):
    """A scripted answer is one that no provider gives to this request."""


def forced_name(choice: Any) -> str | None:
    """The function's name, or the hosted tool's type, that must be called; None: it is free."""
    if not isinstance(choice, dict):
        return None
    if choice.get("type") == "allowed_tools":
        return _only(choice)
    function = choice.get("function")
    if isinstance(function, dict):
        return str(function.get("name"))
    if choice.get("type") == "function":
        return str(choice.get("name"))
    return None if choice.get("type") is None else str(choice["type"])


def is_forced(choice: Any) -> bool:
    """Whether the model must call something."""
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        return choice.get("mode") == "required"
    return choice == "required" or isinstance(choice, dict)


def _only(choice: dict[str, Any]) -> str | None:
    """The one tool that is allowed, if it is one."""
    allowed = dicts(choice.get("tools"))
    if len(allowed) != 1:
        return None
    [tool] = allowed
    return str(tool.get("name") if tool.get("type") == "function" else tool.get("type"))


def check_choice(request: Request, reply: Reply) -> None:
    """Find out whether a provider could give this answer.

    One that was cut off may lack its call.

    Raises:
        ContradictsToolChoice: it could not; the message says why.
    """
    choice, called = request.tool_choice, _called(reply)
    if choice == "none" and called:
        raise ContradictsToolChoice(
            f"The request has tool_choice 'none', so no provider would call {called[0]!r}. "
            + _ADVICE
        )
    if not is_forced(choice) or reply.stop != FinishReason.END:
        return
    name = forced_name(choice)
    if not called or (name and name not in called):
        wanted = f"call {name!r}" if name else "call a tool"
        raise ContradictsToolChoice(
            f"The request has tool_choice {choice!r}, so every provider would {wanted}; the "
            f"scripted answer {'calls ' + ', '.join(called) if called else 'calls nothing'}. "
            + _ADVICE
        )


_ADVICE = (
    "Script an answer that obeys, find out why the request was sent so, or allow it with "
    'standin.allow("tool_choice").'
)


def _called(reply: Reply) -> Sequence[str]:
    calls = [part.name for part in reply.parts if isinstance(part, Call)]
    return calls + [_HOSTED[type(part)] for part in reply.parts if type(part) in _HOSTED]
