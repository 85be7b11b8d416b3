"""One thing that providers refuse, and the request that is judged by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from threadmill.testing.standin.conversation import Api, Request, dicts
from threadmill.testing.standin.hosting import Hosting

Json: TypeAlias = dict[str, Any]

BOTH: tuple[Api, ...] = ("responses", "chat")
RESPONSES_ONLY: tuple[Api, ...] = ("responses",)
CHAT_ONLY: tuple[Api, ...] = ("chat",)

OPENAI_REFERENCE = "https://platform.openai.com/docs/api-reference"
OPENAI_PACKAGE = "https://github.com/openai/openai-python (the types of the installed package)"


class Violation(NamedTuple):
    """What is wrong with a request."""

    message: str
    """In the provider's words."""
    param: str | None = None
    """The place in the body, such as `input[1].call_id`."""
    code: str | None = None
    """As in `invalid_value`."""


class Inspection:
    """A request and what the stand-in keeps, with its parts at hand; whatever is wrong with it."""

    def __init__(self, request: Request, hosting: Hosting) -> None:
        self.request = request
        self.hosting = hosting
        self.body = request.body
        self.is_chat = request.api == "chat"
        self.place = "messages" if self.is_chat else "input"

    @cached_property
    def items(self) -> list[tuple[str, Json]]:
        """Items of the input, or messages, each with its place in the body."""
        said = self.body.get(self.place)
        if not isinstance(said, list):
            return []
        found = enumerate(said)
        return [(f"{self.place}[{i}]", item) for i, item in found if isinstance(item, dict)]

    @cached_property
    def messages(self) -> list[tuple[str, Json]]:
        """Those of the items that are messages."""
        return [(p, item) for p, item in self.items if item.get("type", "message") == "message"]

    @cached_property
    def parts(self) -> list[tuple[str, Json, str]]:
        """The parts of messages: place, part, role."""
        return [
            (f"{place}.content[{index}]", part, str(message.get("role")))
            for place, message in self.messages
            for index, part in enumerate(dicts(message.get("content")))
        ]

    @cached_property
    def tools(self) -> list[tuple[str, Json]]:
        """The tools, each with its place."""
        return [(f"tools[{i}]", tool) for i, tool in enumerate(dicts(self.body.get("tools")))]

    @cached_property
    def functions(self) -> list[tuple[str, Json]]:
        """The functions among the tools, each with its place."""
        found = [(place, tool) for place, tool in self.tools if tool.get("type") == "function"]
        if not self.is_chat:
            return found
        return [
            (f"{place}.function", tool["function"])
            for place, tool in found
            if isinstance(tool.get("function"), dict)
        ]

    @cached_property
    def calls(self) -> list[tuple[str, Json]]:
        """Calls of functions as `{"id", "name", "arguments"}`, each with its place."""
        return list(self._chat_calls() if self.is_chat else self._responses_calls())

    @cached_property
    def outputs(self) -> list[tuple[str, Any]]:
        """Outputs of functions, each with its place."""
        if self.is_chat:
            return [(f"{p}.content", m.get("content")) for p, m in self.items if _is_tool(m)]
        return [
            (f"{place}.output", item.get("output"))
            for place, item in self.items
            if item.get("type") == "function_call_output"
        ]

    def _responses_calls(self) -> Iterator[tuple[str, Json]]:
        for place, item in self.items:
            if item.get("type") == "function_call":
                yield place, _call(item.get("call_id"), item)

    def _chat_calls(self) -> Iterator[tuple[str, Json]]:
        for place, message in self.items:
            for index, call in enumerate(dicts(message.get("tool_calls"))):
                function = call.get("function")
                yield (
                    f"{place}.tool_calls[{index}]",
                    _call(call.get("id"), function if isinstance(function, dict) else {}),
                )


def _call(id: Any, function: Mapping[str, Any]) -> Json:
    texts = {"id": id, "name": function.get("name"), "arguments": function.get("arguments")}
    return {name: value if isinstance(value, str) else "" for name, value in texts.items()}


def _is_tool(message: Json) -> bool:
    return message.get("role") == "tool"


Find: TypeAlias = Callable[[Inspection], Iterable[Violation]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a provider refuses."""

    name: str
    refuses: str
    """What is refused, as a phrase."""
    source: str
    """An address, or the fact."""
    find: Find
    """Gives what is wrong with a request, if anything is."""
    apis: tuple[Api, ...] = BOTH
    status: int = 400
    provider: str = "OpenAI"
    """Who refuses it."""
    by_default: bool = True
    """False: `refuse` turns it on."""


def rule(refuses: str, *, source: str, **options: Any) -> Callable[[Find], Rule]:
    """Make a rule of a function, under the function's name; options are `Rule`'s fields."""

    def made(find: Find) -> Rule:
        name = getattr(find, "__name__", "")
        return Rule(name=name, refuses=refuses, source=source, find=find, **options)

    return made


def missing(place: str) -> Violation:
    """A parameter is not there."""
    return Violation(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")


def too_long(place: str, length: int, limit: int) -> Violation:
    """A text is too long."""
    return Violation(
        f"Invalid '{place}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {length} instead.",
        place,
        "string_above_max_length",
    )


def unlike(place: str, pattern: str) -> Violation:
    """A text does not match a pattern."""
    return Violation(
        f"Invalid '{place}': string does not match pattern. Expected a string that matches the "
        f"pattern '{pattern}'.",
        place,
        "invalid_value",
    )


def not_one_of(place: str, value: object, known: Iterable[str]) -> Violation:
    """A value is none of those that are known."""
    names = ", ".join(f"'{one}'" for one in sorted(known))
    return Violation(
        f"Invalid value: '{value}'. Supported values are: {names}.", place, "invalid_value"
    )
