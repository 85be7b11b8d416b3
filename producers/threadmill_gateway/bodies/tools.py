"""Tools, and what they may use, as clients give them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from threadmill_gateway.bodies.body import Body, Metadata
from threadmill_gateway.bodies.violations import tag_of_type


class FunctionDefinition(Body):
    """A function that the client executes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Body):
    """A tool whose calls the client answers."""

    type: Literal["function"]
    function: FunctionDefinition


class CodeInterpreterTool(Body):
    """The provider's code interpreter."""

    type: Literal["code_interpreter"]


class RankingOptions(Body):
    """How the results of a file search are ranked."""

    score_threshold: Annotated[float, Field(ge=0, le=1)]
    ranker: str | None = None


class FileSearchOptions(Body):
    """What a file search finds."""

    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None


class FileSearchTool(Body):
    """The provider's file search."""

    type: Literal["file_search"]
    file_search: FileSearchOptions | None = None


Tool = Annotated[
    Annotated[FunctionTool, Tag("#function")]
    | Annotated[CodeInterpreterTool, Tag("#code_interpreter")]
    | Annotated[FileSearchTool, Tag("#file_search")],
    Discriminator(tag_of_type),
]


class CodeInterpreterResources(Body):
    """Files that code can read."""

    file_ids: Annotated[list[str], Field(max_length=20)] | None = None


class NewVectorStore(Body):
    """A vector store to be made."""

    file_ids: list[str] | None = None
    chunking_strategy: dict[str, Any] | None = None
    metadata: Metadata | None = None


class FileSearchResources(Body):
    """Vector stores that are searched."""

    vector_store_ids: Annotated[list[str], Field(max_length=1)] | None = None
    vector_stores: Annotated[list[NewVectorStore], Field(max_length=1)] | None = None


class ToolResources(Body):
    """What the hosted tools may use."""

    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None


class NamedFunction(Body):
    """The name of a function."""

    name: str


class FunctionChoice(Body):
    """A function that the model must call."""

    type: Literal["function"]
    function: NamedFunction


class FileSearchChoice(Body):
    """The model must search files."""

    type: Literal["file_search"]
