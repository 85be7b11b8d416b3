"""A function, made into a tool."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MethodType
from typing import Any

from threadmill_shared.errors import BadTool
from threadmill_shared.tools.argument_schema import Arguments, Undefined, read_arguments
from threadmill_shared.tools.identity import identity_of, underlying
from threadmill_shared.tools.options import ToolOptions
from threadmill_shared.tools.provider_schema import provider_schema
from threadmill_shared.tools.signature import is_method, read_signature, tool_name
from threadmill_shared.tools.spec import ToolSpec, schema_digest, unicode_description

_OWN = frozenset({"function", "_is_coroutine_mark"})
"""Attributes that are never the function's."""


class Tool:
    """A function that a model may call, with all that is to be known about it.

    `@tool` and `as_tool` make them. It is called like the function, and in a class's body it is
    bound to an instance as a function is.
    """

    function: Callable[..., Any]
    """What is executed."""
    is_async: bool
    """Whether calling it gives a coroutine."""

    def __init__(
        self,
        function: Callable[..., Any],
        options: ToolOptions,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.is_async = inspect.iscoroutinefunction(underlying(function))
        self._options = options
        self._name = tool_name(function, options.name)
        options.check(self._name)
        self._signature = read_signature(function, self._name)
        self._is_method = is_method(function, self._signature)
        self._spec: ToolSpec | None = None
        self._read: Arguments | None = None
        # An undefined type may stand further down in the module: tried again at the first use.
        with contextlib.suppress(Undefined):
            self._read = self._read_arguments(namespace)
        functools.update_wrapper(self, function, updated=())
        if self.is_async and sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, with nothing validated."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool:
        if instance is None or not self._is_method:
            return self
        return _BoundTool(
            MethodType(self.function, instance), self._options, self._arguments_of_method
        )

    def __getattr__(self, name: str) -> Any:
        # What else the function has: the `cache_clear` of a cached one, say.
        if name in _OWN:
            raise AttributeError(name)
        return getattr(self.function, name)

    def __reduce__(self) -> str:
        # Pickled and copied by name, as functions are.
        return str(getattr(self, "__qualname__", self._name))

    @property
    def spec(self) -> ToolSpec:
        """What the model and other processes are told.

        Raises:
            BadTool: it is a method without its object, or an annotation cannot be used.
        """
        if self._is_method:
            message = (
                f"Tool {self._name!r} is an unbound method; pass it from an instance: "
                f"`thing.{self.function.__name__}`."
            )
            raise BadTool(message)
        identity = identity_of(self.function, self._is_me, self._options.home)
        # The identity changes when the process forks, and when a module is loaded to its end.
        if self._spec is None or self._spec.identity != identity:
            self._spec = self._make_spec(identity)
        return self._spec

    @property
    def has_options(self) -> bool:
        """Whether it differs from the bare function in more than its name."""
        return replace(self._options, name=None, home=None) != ToolOptions()

    def bind(self, arguments_json: str) -> inspect.BoundArguments:
        """The model's arguments, validated and coerced to the function's annotations.

        An empty string means no arguments. `tool.function(*bound.args, **bound.kwargs)` is the
        call.

        Raises:
            ToolArgumentsInvalid: says which argument is wrong, and how; for the model to read.
            BadTool: an annotation cannot be used.
        """
        return self._arguments().bind(arguments_json)

    def __repr__(self) -> str:
        return f"<Tool {self._name!r}>"

    def _arguments(self) -> Arguments:
        if self._read is None:
            try:
                self._read = self._read_arguments(None)
            except Undefined as error:
                raise BadTool(str(error)) from error
        return self._read

    def _read_arguments(self, namespace: Mapping[str, Any] | None) -> Arguments:
        return read_arguments(
            self.function,
            self._signature,
            tool_name=self._name,
            method=self._is_method,
            namespace=namespace,
        )

    def _arguments_of_method(self) -> Arguments:
        return self._read or self._read_arguments(None)

    def _is_me(self, found: object) -> bool:
        found = bound_by_class(found)
        if isinstance(found, Tool):
            found = found.function
        if isinstance(found, MethodType):
            return found == self.function
        return found is self.function

    def _make_spec(self, identity: str) -> ToolSpec:
        options, arguments = self._options, self._arguments()
        description = options.description
        if description is None:
            description = arguments.description
        return ToolSpec(
            name=self._name,
            description=unicode_description(self._name, description),
            parameters=provider_schema(self._name, arguments.schema),
            identity=identity,
            digest=schema_digest(self._name, arguments.schema),
            timeout=options.timeout,
            on_interrupt=options.on_interrupt,
            needs_approval=options.needs_approval,
        )


def bound_by_class(obj: object) -> object:
    """The tool of a class method, which from Python 3.13 on comes wrapped in a bound method."""
    if isinstance(obj, MethodType) and isinstance(obj.__func__, Tool):
        return obj.__func__.__get__(obj.__self__)
    return obj


class _BoundTool(Tool):
    """A method with its object; what was read of the function holds for every object."""

    def __init__(
        self, function: MethodType, options: ToolOptions, read: Callable[[], Arguments]
    ) -> None:
        """A method with its object; `read` gives what was read of the function."""
        self._arguments_of_function = read
        super().__init__(function, options)

    def _read_arguments(self, namespace: Mapping[str, Any] | None) -> Arguments:  # noqa: ARG002
        return self._arguments_of_function()
