"""`@tool`, and what an entry of `Assistant(tools=[...])` means."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FrameType, FunctionType
from typing import Any, TypeVar, overload

from threadmill_shared.errors import BadTool
from threadmill_shared.tools.function_tool import Tool, bound_by_class
from threadmill_shared.tools.options import ToolOptions
from threadmill_shared.tools.spec import OnInterrupt

F = TypeVar("F", bound=Callable[..., Any])

_CACHED = "__threadmill_tool__"


@overload
def tool(
    function: F,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    on_interrupt: OnInterrupt = "report",
    needs_approval: bool = False,
) -> F: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    on_interrupt: OnInterrupt = "report",
    needs_approval: bool = False,
) -> Callable[[F], F]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    on_interrupt: OnInterrupt = "report",
    needs_approval: bool = False,
) -> Any:
    """Make a function a tool: `@tool`, `@tool(timeout=5)`, or `tool(shop.refund, name="refund")`.

    The result is a `Tool`, which is called like the function; to type checkers it is the function.
    A function in `Assistant(tools=[...])` is a tool anyway; the decorator is for options, and for
    workers to find a tool that no assistant of its module has. What has no name of its own (a
    bound method, a partial, a lambda) is found by workers when the result is assigned at a
    module's level.

    Args:
        function: what is executed.
        name: what the model calls it; the function's name by default.
        description: what the model reads about it; the docstring by default.
        timeout: seconds for one call; the worker's default if None.
        on_interrupt: what happens to a call whose worker died: the model is told that the outcome
            is unknown (`report`), the function is called again (`retry`), or the run fails
            (`fail`).
        needs_approval: whether each call waits until somebody approves it.

    Raises:
        BadTool: the function cannot be a tool; the message says why.
    """
    here = inspect.currentframe()
    caller = here.f_back if here else None
    home = caller.f_globals.get("__name__") if caller else None
    options = ToolOptions(name, description, timeout, on_interrupt, needs_approval, home)
    namespace = _locals(caller)
    if function is None:
        return lambda decorated: _make(decorated, options, namespace)
    return _make(function, options, namespace)


def as_tool(obj: object) -> Tool:
    """The tool that an entry of `Assistant(tools=[...])` means.

    Raises:
        BadTool: it means none; the message says what to pass instead.
    """
    obj = bound_by_class(obj)
    made = obj if isinstance(obj, Tool) else _made_once(obj)
    # Building the schema finds what is wrong with it now, before anything is written.
    _ = made.spec
    return made


def _made_once(obj: object) -> Tool:
    """The tool made of a function; web services name the same ones in each request."""
    # functools.wraps copies a function's attributes, and so the tool of another one.
    cached = getattr(obj, _CACHED, None)
    if isinstance(cached, Tool) and cached.function is obj:
        return cached
    made = _make(obj, ToolOptions())
    if isinstance(obj, FunctionType):
        setattr(obj, _CACHED, made)
    return made


def _make(
    function: object, options: ToolOptions, namespace: Mapping[str, Any] | None = None
) -> Tool:
    if isinstance(function, staticmethod):
        function = function.__func__
    if isinstance(function, Tool):
        message = (
            f"{function!r} is already a tool: decorate it once; for another name or other "
            "options, pass its `.function`."
        )
        raise BadTool(message)
    if isinstance(function, classmethod):
        raise BadTool("Put @classmethod above @tool, not below it.")
    if isinstance(function, type) or not callable(function):
        message = (
            f"{_short(function)} cannot be a tool: pass the function, the method of an instance "
            "or the callable object itself, not its name or class. The provider's own tools "
            "are CodeInterpreter, FileSearch and WebSearch; a tool without a function is "
            '{"type": "function", "function": {...}}.'
        )
        raise BadTool(message)
    return Tool(function, options, namespace)


def _locals(frame: FrameType | None) -> dict[str, Any] | None:
    """What annotations in quotes can name besides globals, if a tool is defined in a function."""
    if frame is None or frame.f_locals is frame.f_globals:
        return None
    return dict(frame.f_locals)


def _short(obj: object) -> str:
    text = repr(obj)
    return text if len(text) <= 80 else text[:77] + "..."
