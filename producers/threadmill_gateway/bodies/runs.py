"""Bodies of the calls on runs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from threadmill_gateway.bodies.body import Body, Metadata
from threadmill_gateway.bodies.extensions import RunExtension, ThreadAndRunExtension
from threadmill_gateway.bodies.formats import (
    ReasoningEffort,
    ResponseFormat,
    ToolChoice,
    TruncationStrategy,
)
from threadmill_gateway.bodies.messages import MessageBody
from threadmill_gateway.bodies.threads import ThreadOfRun
from threadmill_gateway.bodies.tools import Tool, ToolResources


class RunOptions(Body):
    """What a client can say about a run; null means what the assistant says."""

    assistant_id: str
    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    instructions: Annotated[str, Field(max_length=256_000)] | None = None
    tools: Annotated[list[Tool], Field(max_length=20)] | None = None
    metadata: Metadata | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_prompt_tokens: Annotated[int, Field(ge=256)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=256)] | None = None
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None


class RunBody(RunOptions):
    """A new run of a thread."""

    additional_instructions: Annotated[str, Field(max_length=256_000)] | None = None
    additional_messages: list[MessageBody] | None = None
    reasoning_effort: ReasoningEffort | None = None
    threadmill: RunExtension | None = None


class ThreadAndRunBody(RunOptions):
    """A new run with its thread."""

    thread: ThreadOfRun | None = None
    tool_resources: ToolResources | None = None
    threadmill: ThreadAndRunExtension | None = None


class ToolOutput(Body):
    """The output of a call."""

    tool_call_id: str
    output: str | None = None


class ToolOutputsBody(Body):
    """Outputs of all calls that wait."""

    tool_outputs: list[ToolOutput]
    stream: bool | None = None

    def outputs(self) -> list[tuple[str, str]]:
        """Each call's id and its output."""
        return [(one.tool_call_id, one.output or "") for one in self.tool_outputs]


def is_streamed(body: Any) -> bool:
    """Whether the answer is a stream."""
    return body.stream is True
