"""The form of an answer and the choice of a tool: a word, or an object."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from threadmill_gateway.bodies.body import Body
from threadmill_gateway.bodies.tools import (
    CodeInterpreterTool,
    FileSearchChoice,
    FunctionChoice,
)
from threadmill_gateway.bodies.violations import tag_of_type


class TextFormat(Body):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(Body):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchema(Body):
    """A schema and its name."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class JsonSchemaFormat(Body):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


def _word_or_type(value: object) -> str | None:
    return "#word" if isinstance(value, str) else tag_of_type(value)


ResponseFormat = Annotated[
    Annotated[Literal["auto"], Tag("#word")]
    | Annotated[TextFormat, Tag("#text")]
    | Annotated[JsonObjectFormat, Tag("#json_object")]
    | Annotated[JsonSchemaFormat, Tag("#json_schema")],
    Discriminator(_word_or_type),
]
ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("#word")]
    | Annotated[FunctionChoice, Tag("#function")]
    | Annotated[CodeInterpreterTool, Tag("#code_interpreter")]
    | Annotated[FileSearchChoice, Tag("#file_search")],
    Discriminator(_word_or_type),
]


class TruncationStrategy(Body):
    """Which part of the thread the model gets."""

    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Field(ge=1)] | None = None


ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
