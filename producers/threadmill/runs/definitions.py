"""An assistant's definition, made of its fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_jsonable_python

from threadmill.runs.tool_list import specs
from threadmill_shared import ids
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.model_options import MODEL_OPTIONS
from threadmill_shared.settings import load_settings


def definition_of(assistant: Any, *, version: int | None, own: Iterable[str]) -> Definition:
    """The assistant without its functions, as it is stored and published.

    Args:
        assistant: an `Assistant`.
        version: the one under which it was read or stored.
        own: its further fields, if it is of a subclass.

    Raises:
        BadTool: an entry of `tools` or `tool_resources` is invalid.
    """
    return Definition(
        id=assistant.id or ids.named_assistant_id(assistant.name),
        version=version,
        name=assistant.name,
        description=assistant.description,
        instructions=assistant.instructions,
        model=load_settings().model if assistant.model is None else assistant.model,
        tools=specs(assistant.tools),
        hosted=hosted_tools(assistant.tools, assistant.tool_resources),
        metadata=assistant.metadata,
        response_format=assistant.response_format,
        **{name: getattr(assistant, name) for name in MODEL_OPTIONS},
        queue=assistant.queue,
        fields={name: to_jsonable_python(getattr(assistant, name), fallback=str) for name in own},
    )
