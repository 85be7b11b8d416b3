"""Types and calls that tests of tools share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from threadmill_shared.errors import ToolArgumentsInvalid
from threadmill_shared.tools import (
    CallContext,
    as_tool,
)

CONTEXT = CallContext(
    run_id="run_00a", thread_id="thread_00a", call_id="call_1", attempt=1, idempotency_key="k"
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    article: str
    count: int = 1


class Order(BaseModel):
    number: int
    lines: list[Line] = []


@dataclass
class Point:
    x: float
    y: float


def called(function: Any, **arguments: Any) -> Any:
    """What the function gives for these arguments, after their way through JSON."""
    made = as_tool(function)
    bound = made.bind(json.dumps(arguments))
    return made.function(*bound.args, **bound.kwargs)


def refusal(function: Any, arguments: str) -> str:
    with pytest.raises(ToolArgumentsInvalid) as caught:
        as_tool(function).bind(arguments)
    return str(caught.value)


def lambda_like(a: int = 3):
    return a
