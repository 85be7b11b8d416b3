"""An assistant, as users know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from threadmill.talking import Talking

if TYPE_CHECKING:
    from threadmill_shared.instructions.templates import Template

_POSITIONAL = ("name", "instructions", "model", "tools")


class Assistant(Talking):
    """A definition: a name, instructions, a model and tools. Making one registers nothing.

    Derive from it to add fields; the instructions' template sees them as `self_.<field>`.
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str = "Assistant",
            instructions: str | Template = "",
            model: str | None = None,
            tools: Sequence[Any] = (),
            *,
            id: str | None = None,
            description: str | None = None,
            tool_resources: Mapping[str, Any] = ...,
            metadata: Mapping[str, str] = ...,
            response_format: str | Mapping[str, Any] | None = None,
            queue: str | None = None,
        ) -> None: ...

    else:

        def __init__(self, *positional: Any, **fields: Any) -> None:
            """A definition; name, instructions, model and tools may be given by position.

            Raises:
                pydantic.ValidationError: a field is unknown, or of the wrong type.
            """
            # Only what was given is passed on, so that a subclass may set defaults of its own.
            given = dict(zip(_POSITIONAL, positional, strict=False))
            if len(positional) > len(_POSITIONAL) or given.keys() & fields.keys():
                raise TypeError(f"By position go {', '.join(_POSITIONAL)}, each given once.")
            super().__init__(**given, **fields)
