"""Typed results: what the model is told about the type, and how results are read."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic_core import from_json, to_json

from threadmill_shared import errors
from threadmill_shared.records.definition import ResultForm
from threadmill_shared.tools.json_schema import StableJsonSchema
from threadmill_shared.tools.provider_schema import UnfitSchema, fit_schema, is_object_schema

T = TypeVar("T")

_WRAPPED = "result"
"""The property that wraps a result that is not an object: providers require one at the top."""


class ResultType(Generic[T]):
    """The type of a run's result: any type that pydantic can read from JSON."""

    def __init__(self, type_: type[T]) -> None:
        """Derive the JSON from which the type is read.

        Raises:
            TypeError: pydantic cannot read the type, or it has no JSON schema.
        """
        name = getattr(type_, "__name__", None) or str(type_)
        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(type_)
            schema = self._adapter.json_schema(schema_generator=StableJsonSchema)
        except (PydanticUserError, PydanticInvalidForJsonSchema) as error:
            reason = str(error).splitlines()[0]
            raise TypeError(f"result_type cannot be {name}: {reason}") from None
        self._name = name
        self.form: ResultForm = "whole" if is_object_schema(schema) else "wrapped"
        self._schema = schema if self.form == "whole" else _wrapped(schema)

    @property
    def response_format(self) -> dict[str, Any]:
        """The run option that has the model write such JSON.

        The schema is stored as the type has it, and a worker validates results against that. The
        provider is sent one in the form that it takes.

        Raises:
            TypeError: providers would refuse the schema.
        """
        try:
            fit_schema(self._schema)
        except UnfitSchema as error:
            raise TypeError(f"result_type cannot be {self._name}: its schema {error}") from None
        # Not strict: that allows a part of what a schema can say only. The worker checks the rest.
        described = {"name": "result", "schema": self._schema, "strict": False}
        return {"type": "json_schema", "json_schema": described}

    def read(self, text: str, form: ResultForm) -> T:
        """The result in a run's last message.

        Raises:
            ResultInvalid: the type rejects it.
        """
        data = plain_result(text, form)
        try:
            return self._adapter.validate_json(to_json(data))
        except ValidationError as error:
            raise errors.ResultInvalid(f"The result is of another type: {error}") from error


def plain_result(text: str, form: ResultForm) -> Any:
    """The result in a run's last message, as JSON data."""
    data = from_json(text)
    return data[_WRAPPED] if form == "wrapped" else data


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    inner = dict(schema)
    definitions = inner.pop("$defs", None)  # what refers to them begins at the top
    outer: dict[str, Any] = {
        "type": "object",
        "properties": {_WRAPPED: inner},
        "required": [_WRAPPED],
        "additionalProperties": False,
    }
    return outer if definitions is None else {**outer, "$defs": definitions}
