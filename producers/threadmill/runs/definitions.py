"""An assistant's definition, made of its fields.

That of a run is kept until anything in it changes: to make one, each field is validated again, and
most runs of an assistant have the same. It is found by all that it is made of, so nobody has to say
what was changed, where or by whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import to_jsonable_python

from threadmill.runs.tool_list import ToolList, specs
from threadmill_shared import ids
from threadmill_shared.hosted_tools import HostedTool, hosted_tools
from threadmill_shared.instructions.plain_text import stored_instructions
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.fingerprints import MOST_KEPT, ByIdentity, fingerprint, restored
from threadmill_shared.records.model_options import MODEL_OPTIONS
from threadmill_shared.settings import load_settings
from threadmill_shared.tools import ToolSpec


def definition_of(assistant: Any, *, version: int | None, own: Iterable[str]) -> Definition:
    """The assistant without its functions, as it is stored and published.

    Args:
        assistant: an `Assistant`.
        version: the one under which it was read or stored.
        own: its further fields, if it is of a subclass.

    Raises:
        BadTool: an entry of `tools` or `tool_resources` is invalid.
    """
    model = load_settings().model if assistant.model is None else assistant.model
    return Definition(
        **_fields(assistant, version, own, model),
        tools=tuple(map(_own_spec, specs(assistant.tools))),
        hosted=hosted_tools(assistant.tools, assistant.tool_resources),
    )


def _own_spec(spec: ToolSpec) -> ToolSpec:
    """A spec that its owner may change, for one that may be kept for others."""
    return spec.model_copy(deep=True) if spec.is_external else spec


def definition_of_run(
    assistant: Any,
    tools: Sequence[Any],
    offered: ToolList,
    model: str,
    *,
    version: int | None,
    own: Iterable[str],
) -> Definition:
    """The assistant as one run uses it, perhaps with other tools and another model.

    Nobody may change what is in it: others may have the same.

    Raises:
        BadTool: an entry of `tools` or `tool_resources` is invalid, also of the assistant's own.
    """
    if [*map(id, tools)] != [*map(id, assistant.tools)]:
        specs(assistant.tools)
        hosted_tools(assistant.tools, assistant.tool_resources)
    hosted = hosted_tools(tools, assistant.tool_resources)
    return keep_definition(_fields(assistant, version, own, model), offered.specs, hosted)


def changed_definition(
    assistant: Any, tools: Sequence[Any], offered: ToolList, model: str
) -> Definition:
    """The same of an assistant that makes its definition itself."""
    hosted = hosted_tools(tools, assistant.tool_resources)
    changed = {"tools": offered.specs, "hosted": hosted, "model": model}
    found: Definition = assistant.definition()
    return found.model_copy(update=changed)


def _fields(assistant: Any, version: int | None, own: Iterable[str], model: str) -> dict[str, Any]:
    """A definition's fields, without tools."""
    return {
        "id": assistant.id or ids.named_assistant_id(assistant.name),
        "version": version,
        "name": assistant.name,
        "description": assistant.description,
        **stored_instructions(assistant.instructions),
        "model": model,
        "metadata": assistant.metadata,
        "response_format": assistant.response_format,
        **{name: getattr(assistant, name) for name in MODEL_OPTIONS},
        "queue": assistant.queue,
        "fields": {
            name: to_jsonable_python(getattr(assistant, name), fallback=str) for name in own
        },
    }


def keep_definition(
    fields: Mapping[str, Any], tools: tuple[ToolSpec, ...], hosted: tuple[HostedTool, ...]
) -> Definition:
    """The definition with these fields and tools, perhaps one that was made before."""
    kept = None
    if not any(tool.model_extra for tool in hosted):
        key = fingerprint({**fields, "hosted": [tool.model_dump() for tool in hosted]})
        schemas = fingerprint([tool.parameters for tool in tools])
        if key is not None and schemas is not None:
            kept = _kept(key, ByIdentity(tools), schemas)
    return kept or Definition(**fields, tools=tools, hosted=hosted)


@lru_cache(maxsize=MOST_KEPT)
def _kept(fields: bytes, tools: ByIdentity[ToolSpec], _schemas: bytes) -> Definition | None:
    """The schemas tell whether a tool is still what it was: nothing else of it can change."""
    plain = restored(fields)
    return None if plain is None else Definition(**plain, tools=tools.items)
