"""What a function is called, says and takes, seen before any type is looked at."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any

from threadmill_shared.errors import BadTool
from threadmill_shared.tools.identity import innermost, underlying

if sys.version_info >= (3, 14):
    import annotationlib

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tool_name(function: Callable[..., Any], given: str | None) -> str:
    """The name that the model sees: the given one, or the function's own.

    Raises:
        BadTool: there is none, or providers would reject it.
    """
    inner = innermost(function)
    own = getattr(function, "__name__", None) or getattr(inner, "__name__", type(inner).__name__)
    name = own if given is None else given
    if name == "<lambda>":
        raise BadTool("A lambda has no name: give it one, `tool(lambda ...: ..., name='...')`.")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot be a tool's name: use 1 to 64 letters, digits, `_` and `-`, "
            "with `tool(function, name='...')`."
        )
        raise BadTool(message)
    return name


def docstring_of(function: Callable[..., Any]) -> str:
    """The docstring without its indentation; of a callable object, its class's at need."""
    inner = innermost(function)
    if hasattr(inner, "__qualname__"):
        return inspect.getdoc(inner) or ""
    # Not getdoc: it would inherit the words that Python has for any `__call__`.
    return inspect.cleandoc(type(inner).__call__.__doc__ or type(inner).__doc__ or "")


def read_signature(function: Callable[..., Any], name: str) -> Signature:
    """The signature of a function that can be a tool.

    Raises:
        BadTool: a model could not call it, or nobody could read what it gives.
    """
    inner = underlying(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise BadTool(f"Tool {name!r} is a generator; return a list or a str instead.")
    try:
        signature = _signature(function)
    except (TypeError, ValueError) as error:
        message = (
            f"Tool {name!r} has no readable signature ({error}); "
            "wrap it in a function with annotated arguments."
        )
        raise BadTool(message) from error
    for parameter in signature.parameters.values():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            message = (
                f"Tool {name!r} takes {parameter}, which no schema can describe; list its "
                "arguments one by one."
            )
            raise BadTool(message)
    return signature


def offered_parameters(
    function: Callable[..., Any], signature: Signature, *, method: bool
) -> list[Parameter]:
    """The parameters that the model fills in.

    Not `self`, and not what a partial has set by keyword: whoever bound an argument there did not
    mean the model to choose it.
    """
    parameters = list(signature.parameters.values())[1 if method else 0 :]
    set_already: set[str] = set()
    while isinstance(function, partial):
        set_already |= function.keywords.keys()
        function = function.func
    return [parameter for parameter in parameters if parameter.name not in set_already]


def is_method(function: Callable[..., Any], signature: Signature) -> bool:
    """Whether this is a plain function in a class's body that waits for its `self`."""
    if not isinstance(function, FunctionType):
        return False
    owner = function.__qualname__.rpartition(".")[0]
    first = next(iter(signature.parameters), None)
    return bool(owner) and not owner.endswith("<locals>") and first in ("self", "cls")


def annotation_of(
    function: Callable[..., Any], parameter: Parameter, namespace: Mapping[str, Any] | None
) -> Any:
    """The parameter's type, with names in quotes resolved; Any if there is none.

    Raises:
        NameError: a name in the annotation is not (yet) defined.
    """
    if parameter.annotation is Parameter.empty:
        return Any

    def stub() -> None: ...

    # One at a time: a return type that exists for type checkers only must not be looked up.
    stub.__annotations__ = {"argument": parameter.annotation}
    known = getattr(inspect.unwrap(underlying(function)), "__globals__", {})
    hints = typing.get_type_hints(stub, known, dict(namespace or {}), include_extras=True)
    return hints["argument"]


def _signature(function: Callable[..., Any]) -> Signature:
    if sys.version_info >= (3, 14):
        # Annotations are evaluated late there; one that cannot be must not hide the others.
        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)
