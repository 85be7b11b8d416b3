"""Asks the stand-in through the real openai package, and looks whether all is of its types."""

from __future__ import annotations

import asyncio
from functools import cache

import openai
from pydantic import BaseModel, TypeAdapter

from threadmill.testing import (
    Call,
    Reasoning,
    Reply,
    StandIn,
    Text,
)

TEXT = Reply([Text("Straße, 你好 🎲 “so”.\n")])
ONE_CALL = Reply([Call("add", {"a": 1})])
CALLS = Reply([Text("Wait."), Call("add", {"a": 1}), Call("cry", "{}"), Call("add", {"a": 2})])
REASONED = Reply([Reasoning("I think."), Reasoning(), Text("So it is.")])
REPLIES = {"text": TEXT, "one call": ONE_CALL, "calls": CALLS, "reasoned": REASONED}
REPLIES |= {
    "empty": Reply([]),
    "length": Reply([Text("Once upon a")], stop="length"),
    "filter": Reply([Text("You")], stop="content_filter"),
}

RESPONSES_TOOL = {
    "type": "function",
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {}}},
}
USER = {"role": "user", "content": "Hello!"}


def client(standin: StandIn) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=standin.base_url, api_key="none", max_retries=0, _strict_response_validation=True
    )


def ask_responses(standin: StandIn, **options):
    async def ask():
        async with client(standin) as api:
            answer = await api.responses.create(**{"model": "m", "input": "Hello!"} | options)
            return [event async for event in answer] if options.get("stream") else answer

    return asyncio.run(ask())


def ask_chat(standin: StandIn, **options):
    said = [{"role": "user", "content": "Hello!"}]

    async def ask():
        async with client(standin) as api:
            answer = await api.chat.completions.create(**{"model": "m", "messages": said} | options)
            return [chunk async for chunk in answer] if options.get("stream") else answer

    return asyncio.run(ask())


def unknown_fields(value: object, path: str = "") -> list[str]:
    """Where a parsed answer has fields that the package's types do not have."""
    if isinstance(value, BaseModel):
        found = [f"{path}.{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            found += unknown_fields(getattr(value, name), f"{path}.{name}")
        return found
    if isinstance(value, list):
        return [field for item in value for field in unknown_fields(item, f"{path}[]")]
    return []


@cache
def adapter(kind: object) -> TypeAdapter:
    return TypeAdapter(kind)


def assert_of_type(kind: object, value: BaseModel) -> None:
    validated = adapter(kind).validate_python(value.to_dict(mode="json"))
    assert type(validated) is type(value)
    assert unknown_fields(validated) == []
