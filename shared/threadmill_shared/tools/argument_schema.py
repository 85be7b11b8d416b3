"""What a model may write as a tool's arguments, and how it becomes a function's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from threadmill_shared.errors import BadTool, ToolArgumentsInvalid
from threadmill_shared.tools.docstring import split_docstring
from threadmill_shared.tools.json_arguments import explain_mistake, find_mistake
from threadmill_shared.tools.json_schema import StableJsonSchema
from threadmill_shared.tools.signature import annotation_of, docstring_of, offered_parameters

_SHOWN_MISTAKES = 5
_MESSAGE_LENGTH = 200
"""Characters of one mistake; a validator's message may be of any length."""

_CONFIG = ConfigDict(extra="forbid", protected_namespaces=())


class Undefined(Exception):
    """An annotation names something that is not defined yet."""


class Arguments:
    """A function's arguments as a JSON schema and as a pydantic model.

    The model's fields are called `p0`, `p1`, ...: an argument may have any name, also one that
    pydantic keeps for itself (`schema`, `_private`, `model_config`); the name is the alias.
    """

    def __init__(self, tool_name: str, signature: Signature, offered: Sequence[Parameter]) -> None:
        self._tool_name = tool_name
        self._signature = signature
        self._offered = offered
        self._model: type[BaseModel] = BaseModel
        self.schema: dict[str, Any] = {}
        """A JSON schema of type `object`."""
        self.description = ""
        """The docstring, without what the schema says already."""

    def build(self, annotation: Callable[[Parameter], Any]) -> None:
        """Make the model and the schema.

        Raises:
            BadTool: a parameter's annotation cannot be used.
            Undefined: a parameter's annotation names something that is not defined.
        """
        try:
            self._model, self.schema = _model(self._offered, annotation)
        except Exception as error:
            raise self._blamed(annotation, error) from error

    def _blamed(
        self, annotation: Callable[[Parameter], Any], error: Exception
    ) -> BadTool | Undefined:
        """The error in the name of the first parameter that causes it."""
        culprit = "an argument"
        for parameter in self._offered:
            try:
                _model([parameter], annotation)
            except Exception as own:  # noqa: BLE001 - a type's own hooks may raise anything
                culprit, error = f"argument {parameter.name!r}", own
                break
        if _is_undefined(error):
            message = (
                f"Tool {self._tool_name!r}: the annotation of {culprit} cannot be resolved "
                f"({error}). Define the type at the module's level, before the tool is used."
            )
            return Undefined(message)
        message = (
            f"Tool {self._tool_name!r}: {culprit} has an annotation that JSON cannot carry "
            f"({_first_line(error)}). Use plain types, dataclasses or pydantic models."
        )
        return BadTool(message)

    def describe(self, docstring: str) -> None:
        """Share out a docstring: to arguments without a description of their own, and the rest."""
        properties = self.schema["properties"]
        self.description, described = split_docstring(docstring, properties)
        for name, text in described.items():
            properties[name].setdefault("description", text)

    def bind(self, arguments: str) -> inspect.BoundArguments:
        """Validate JSON against the annotations, and make it a call's arguments.

        Raises:
            ToolArgumentsInvalid: says what the model should write instead.
        """
        if mistake := find_mistake(arguments):
            raise ToolArgumentsInvalid(explain_mistake(self._tool_name, mistake))
        try:
            values = self._model.model_validate_json(arguments.strip() or "{}")
        except ValidationError as error:
            # Without the cause: that one quotes what the model wrote.
            raise ToolArgumentsInvalid(self._explain(error)) from None
        bound = {
            parameter.name: value
            for index, parameter in enumerate(self._offered)
            for value in _given(values, f"p{index}", parameter)
        }
        return inspect.BoundArguments(self._signature, bound)

    def _explain(self, error: ValidationError) -> str:
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        shown = [self._mistake(mistake) for mistake in mistakes[:_SHOWN_MISTAKES]]
        if len(mistakes) > len(shown):
            shown.append(f"and {len(mistakes) - len(shown)} more")
        return explain_mistake(self._tool_name, "; ".join(shown))

    def _mistake(self, mistake: ErrorDetails) -> str:
        place = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "missing":
            return f"{place}: is required"
        if mistake["type"] == "extra_forbidden" and len(mistake["loc"]) == 1:
            names = ", ".join(parameter.name for parameter in self._offered) or "none at all"
            return f"{place}: there is no such argument (there are: {names})"
        text = mistake["msg"]
        if len(text) > _MESSAGE_LENGTH:
            text = text[:_MESSAGE_LENGTH] + "..."
        return f"{place}: {text}" if place else text


def read_arguments(
    function: Callable[..., Any],
    signature: Signature,
    *,
    tool_name: str,
    method: bool,
    namespace: Mapping[str, Any] | None,
) -> Arguments:
    """The arguments of a function; of a method without its `self`.

    Args:
        function: what is executed.
        signature: its signature.
        tool_name: for messages.
        method: whether the first parameter is bound later.
        namespace: local names that annotations may use beside the function's globals.

    Raises:
        BadTool: a parameter's annotation cannot be used.
        Undefined: a parameter's annotation names something that is not defined.
    """
    offered = offered_parameters(function, signature, method=method)
    if method:
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    arguments = Arguments(tool_name, signature, offered)
    arguments.build(lambda parameter: annotation_of(function, parameter, namespace))
    arguments.describe(docstring_of(function))
    return arguments


class _Schema(StableJsonSchema):
    """Without titles, which repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _model(
    offered: Sequence[Parameter], annotation: Callable[[Parameter], Any]
) -> tuple[type[BaseModel], dict[str, Any]]:
    fields: dict[str, Any] = {
        f"p{index}": _field(annotation(parameter), parameter)
        for index, parameter in enumerate(offered)
    }
    model = create_model("Arguments", __config__=_CONFIG, **fields)
    schema = model.model_json_schema(schema_generator=_Schema)
    del schema["title"]
    schema.setdefault("properties", {})
    return model, schema


def _field(annotation: Any, parameter: Parameter) -> tuple[Any, Any]:
    name = parameter.name
    if isinstance(parameter.default, FieldInfo):
        own = FieldInfo.from_annotated_attribute(annotation, parameter.default)
        own.alias = own.validation_alias = own.serialization_alias = name
        return (annotation, own)
    if parameter.default is Parameter.empty:
        return (annotation, Field(alias=name))
    return (annotation, Field(parameter.default, alias=name))


def _given(values: BaseModel, field: str, parameter: Parameter) -> list[Any]:
    """The argument's value in a list; an empty list leaves the default to the function itself.

    Its own default is the very object; a model would hand out a copy. Two kinds cannot be left
    out: a positional-only one has others behind it, and `= Field(...)` is no value.
    """
    if field in values.model_fields_set or isinstance(parameter.default, FieldInfo):
        return [getattr(values, field)]
    return [parameter.default] if parameter.kind is Parameter.POSITIONAL_ONLY else []


def _is_undefined(error: Exception) -> bool:
    if isinstance(error, PydanticUserError):
        return error.code == "class-not-fully-defined"
    return isinstance(error, NameError | PydanticUndefinedAnnotation)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
