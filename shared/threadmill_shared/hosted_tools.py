"""Tools that the model's provider executes itself: what is said about them in a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from threadmill_shared.errors import BadTool
from threadmill_shared.stored import Stored

_Ids = tuple[Annotated[str, Field(min_length=1)], ...]


class CodeInterpreter(Stored):
    """The provider's sandbox for Python code. Give the class, or an instance with options."""

    type: Literal["code_interpreter"] = "code_interpreter"
    file_ids: _Ids = ()
    """Files that the code can read: uploaded ones (`File`), or the provider's."""
    container: str | None = None
    """An existing container's id; None: the provider makes one, and keeps it for the thread."""
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None = None
    network_policy: dict[str, Any] | None = None


class FileSearch(Stored):
    """The provider's search in files. Give the class, or an instance with options."""

    type: Literal["file_search"] = "file_search"
    vector_store_ids: _Ids = ()
    """The provider's vector stores; files attached to messages are searched besides."""
    max_num_results: int | None = Field(default=None, ge=1, le=50)
    filters: dict[str, Any] | None = None
    ranking_options: dict[str, Any] | None = None


class WebSearch(Stored):
    """The provider's search of the web. Give the class, or an instance with options."""

    type: Literal["web_search"] = "web_search"
    filters: dict[str, Any] | None = None
    """`{"allowed_domains": ["example.org"]}`: only pages of these domains and those below them."""
    search_context_size: Literal["low", "medium", "high"] | None = None
    """How much of the model's context the pages may take; None: as much as the provider likes."""
    user_location: dict[str, Any] | None = None
    """Where the user is, roughly: `city`, `country` (two letters), `region`, `timezone`."""
    external_web_access: bool | None = None
    """False: only what the provider has stored of the web."""


AnyHosted: TypeAlias = CodeInterpreter | FileSearch | WebSearch
HostedTool: TypeAlias = Annotated[AnyHosted, Field(discriminator="type")]

_one: TypeAdapter[AnyHosted] = TypeAdapter(HostedTool)
_CLASSES = (CodeInterpreter, FileSearch, WebSearch)
TYPES = ("code_interpreter", "file_search", "web_search")
_RESOURCES = {"code_interpreter": "file_ids", "file_search": "vector_store_ids"}
"""What `tool_resources` may name, by the tool's type."""


def as_hosted(tool: Any) -> AnyHosted | None:
    """The hosted tool that is meant: a class, an instance, `{"type": ...}`; None: it is none.

    Raises:
        BadTool: its options are wrong.
    """
    if any(tool is known for known in _CLASSES):
        made: AnyHosted = tool()
        return made
    if isinstance(tool, _CLASSES):
        return tool
    if not isinstance(tool, Mapping) or tool.get("type") not in TYPES:
        return None
    given = {name: value for name, value in tool.items() if name != tool["type"]}
    # The Assistants API has a tool's options in an object of its own, named after the tool.
    options = tool.get(tool["type"]) or {}
    if not isinstance(options, Mapping):
        raise BadTool(f"The tool {tool['type']!r} is not valid: its options must be an object.")
    try:
        return _one.validate_python(given | dict(options))
    except ValidationError as error:
        raise BadTool(f"The tool {tool['type']!r} is not valid: {_first(error)}.") from None


def hosted_tools(tools: Iterable[Any], resources: Mapping[str, Any]) -> tuple[HostedTool, ...]:
    """The hosted ones among these tools, each with what `tool_resources` has for it.

    Raises:
        BadTool: one is given twice, has wrong options, or the resources are wrong.
    """
    found = [hosted for tool in tools if (hosted := as_hosted(tool)) is not None]
    for hosted in found:
        if sum(other.type == hosted.type for other in found) > 1:
            raise BadTool(f"The tool {hosted.type!r} is given twice; combine their options in one.")
    ids = checked_resources(resources)
    return tuple(_with_ids(hosted, ids.get(hosted.type, ())) for hosted in found)


def with_resources(
    tools: Sequence[HostedTool], resources: Mapping[str, Any]
) -> tuple[HostedTool, ...]:
    """The tools with what stored `tool_resources` have for them; the rest is passed over."""
    return tuple(_with_ids(tool, _stored_ids(tool.type, resources)) for tool in tools)


def _stored_ids(type: str, resources: Mapping[str, Any]) -> list[str]:
    given = resources.get(type)
    ids = given.get(_RESOURCES.get(type, "")) if isinstance(given, Mapping) else None
    return [id for id in ids if isinstance(id, str) and id] if isinstance(ids, list) else []


def tool_resources(tools: Iterable[HostedTool]) -> dict[str, dict[str, list[str]]]:
    """The ids that these tools name, in the Assistants API's form."""
    named = {
        tool.type: (name, getattr(tool, name))
        for tool in tools
        if (name := _RESOURCES.get(tool.type))
    }
    return {type: {name: list(ids)} for type, (name, ids) in named.items() if ids}


def hosted_api_form(tool: HostedTool) -> dict[str, Any]:
    """The tool as the Assistants API has it, with its options in an object named after it.

    The ids that it names are not in it: `tool_resources` has them.
    """
    options = (
        {}
        if tool.type != "file_search"
        else {
            "max_num_results": tool.max_num_results,
            "ranking_options": tool.ranking_options,
        }
    )
    given = {name: value for name, value in options.items() if value is not None}
    return {"type": tool.type} | ({tool.type: given} if given else {})


def _with_ids(tool: HostedTool, ids: Sequence[str]) -> HostedTool:
    name = _RESOURCES.get(tool.type)
    if name is None:
        return tool
    known: tuple[str, ...] = getattr(tool, name)
    return tool.model_copy(update={name: tuple(dict.fromkeys([*known, *ids]))})


def checked_resources(resources: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """The ids that `tool_resources` name, by the tool's type.

    Raises:
        BadTool: it has another form.
    """
    ids: dict[str, Sequence[str]] = {}
    for tool, given in resources.items():
        name = _RESOURCES.get(tool)
        if name is None or not isinstance(given, Mapping) or set(given) - {name}:
            raise BadTool(
                "tool_resources is {'code_interpreter': {'file_ids': [...]}, "
                "'file_search': {'vector_store_ids': [...]}}, or one of the two."
            )
        ids[tool] = given.get(name) or ()
        is_list = isinstance(ids[tool], Sequence) and not isinstance(ids[tool], str)
        if not is_list or not all(isinstance(id, str) and id for id in ids[tool]):
            raise BadTool(f"tool_resources: {name} must be a list of ids.")
    return ids


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'][1:])}: {first['msg']}"
