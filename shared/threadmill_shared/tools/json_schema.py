"""How pydantic writes the JSON schemas of tools and results."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema


class StableJsonSchema(GenerateJsonSchema):
    """The same in every process, and without warnings for defaults that JSON lacks."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def encode_default(self, dft: Any) -> Any:
        """The default as JSON; a set's order would differ between processes, as would digests."""
        is_set = isinstance(dft, set | frozenset)
        return super().encode_default(sorted(dft, key=repr) if is_set else dft)
