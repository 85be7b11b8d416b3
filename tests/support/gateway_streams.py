"""What a gateway streams, without the openai package between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2 as httpx

Found = tuple[int | None, str, Any]
"""Number, name and data of an event."""


def events_of(response: httpx.Response) -> Iterator[Found]:
    """The events of a response, one by one as they come."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            number = int(fields["id"]) if "id" in fields else None
            data = fields["data"]
            yield number, fields["event"], data if data == "[DONE]" else json.loads(data)
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def text_of(events: Iterable[Found]) -> str:
    """What the deltas of messages give together."""
    deltas = [data for _, name, data in events if name == "thread.message.delta"]
    return "".join(data["delta"]["content"][0]["text"]["value"] for data in deltas)
