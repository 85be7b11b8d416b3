"""Bodies of the calls on assistants."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from threadmill_gateway.bodies.body import Body, Metadata
from threadmill_gateway.bodies.extensions import RequestExtension
from threadmill_gateway.bodies.formats import ReasoningEffort, ResponseFormat
from threadmill_gateway.bodies.tools import Tool, ToolResources


class AssistantChanges(Body):
    """What changes of an assistant; what is left out stays, and null clears it."""

    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    name: Annotated[str, Field(max_length=256)] | None = None
    description: Annotated[str, Field(max_length=512)] | None = None
    instructions: Annotated[str, Field(max_length=256_000)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None


class AssistantBody(AssistantChanges):
    """A new assistant."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    threadmill: RequestExtension | None = None
