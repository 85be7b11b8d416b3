"""Makes a handler of the class that a caller names, and calls its hooks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from threadmill.client.user_loop import on_loop
from threadmill.handlers.base import EventHandler
from threadmill.handlers.dispatcher import Dispatcher
from threadmill.handlers.object_factory import ObjectFactory
from threadmill.handlers.objects import ApiObjectFactory
from threadmill_shared import errors
from threadmill_shared.events.decoder import Event
from threadmill_shared.tools import Tool

if TYPE_CHECKING:
    from threadmill.run import Run


class HandlerSession:
    """The handler of one run, and what it raised."""

    def __init__(self, handler: Any, base: type[Any], objects: ObjectFactory) -> None:
        """No event is handled yet.

        Args:
            handler: the user's.
            base: the class of ours, or of the openai package's, that it is derived from.
            objects: makes what its hooks are given.
        """
        self._handler = handler
        self._base = base
        self._dispatcher = Dispatcher(objects, self._overrides)
        handler.__dispatcher__ = self._dispatcher  # as `Listener` declares it
        self._is_over = False
        self.failure: Exception | None = None
        """What a hook raised first; after that no hook is called."""

    @property
    def is_async(self) -> bool:
        """Whether one of its hooks needs an event loop."""
        hooks = [name for name in dir(self._base) if name.startswith("on_")]
        return any(inspect.iscoroutinefunction(getattr(self._handler, name)) for name in hooks)

    def set_functions(self, functions: Iterable[Tool]) -> None:
        """Note which functions this process executes while the handler follows the run."""
        self._dispatcher.local_tools = frozenset(tool.spec.name for tool in functions)

    async def begin(self, run: Run) -> None:
        """Call the hook for a run that was enqueued."""
        if isinstance(self._handler, EventHandler):
            await self._notify("on_begin", run)

    async def dispatch(self, events: Iterable[Event]) -> None:
        """Call the hooks for what happened."""
        for event in events:
            for name, arguments in self._dispatcher.calls(event):
                await self._notify(name, *arguments)
                if self.failure is not None:
                    return

    async def restart(self, reason: errors.LogRewound) -> None:
        """Call the hook for a log that went back: all comes again."""
        self._dispatcher.reset()
        if isinstance(self._handler, EventHandler):
            await self._notify("on_rewound", reason)

    async def fail(self, error: Exception) -> None:
        """Call the hooks for an error that ends the handler; the run may continue."""
        if isinstance(error, TimeoutError):
            await self._notify("on_timeout")
        await self._notify("on_exception", error)

    async def end(self) -> None:
        """Call, once, the hook for the end."""
        if not self._is_over:
            self._is_over = self._dispatcher.has_ended = True
            error = await self._call_hook("on_end")
            self.failure = self.failure or error

    async def _notify(self, name: str, *arguments: Any) -> None:
        if self._is_over:
            return
        error = await self._call_hook(name, *arguments)
        if error is not None:
            self.failure = error
            await self._call_hook("on_exception", error)
            await self.end()

    async def _call_hook(self, name: str, *arguments: Any) -> Exception | None:
        """Call a hook, unless it is the base class's, and return what it raised."""
        if not self._overrides(name):
            return None
        try:
            result = getattr(self._handler, name)(*arguments)
            if inspect.isawaitable(result):
                await on_loop(result)
        except Exception as error:  # noqa: BLE001  whatever users' code raises, the run continues
            return error
        return None

    def _overrides(self, hook: str) -> bool:
        function = getattr(getattr(self._handler, hook), "__func__", None)
        return function is not getattr(self._base, hook)


def open_session(handler_class: Any, arguments: dict[str, Any] | None) -> HandlerSession | None:
    """Make the handler for a run; None: there is none.

    Raises:
        TypeError: it is not a handler's class, or its constructor does not take the arguments.
    """
    if arguments is not None and not isinstance(arguments, dict):
        raise TypeError(
            f"event_handler_kwargs must be a dict of its arguments, not {type(arguments).__name__}."
        )
    if handler_class is None:
        if arguments:
            raise TypeError("event_handler_kwargs needs an event_handler_class.")
        return None
    if not isinstance(handler_class, type):
        raise TypeError(
            f"event_handler_class must be a class, not {handler_class!r}: each run creates its "
            "own handler. Pass its arguments in event_handler_kwargs."
        )
    if issubclass(handler_class, EventHandler):
        return HandlerSession(
            _instantiate(handler_class, arguments), EventHandler, ApiObjectFactory()
        )
    return _package_session(handler_class, arguments)


def _package_session(handler_class: type[Any], arguments: dict[str, Any] | None) -> HandlerSession:
    # Whoever has derived from the package's class has imported the package.
    if "openai" in sys.modules:
        from threadmill.handlers import openai_package  # noqa: PLC0415  see there

        base = openai_package.base_of(handler_class)
        if base is not None:
            handler = _instantiate(openai_package.adapted_class(handler_class, base), arguments)
            return HandlerSession(handler, base, openai_package.PackageObjectFactory())
    raise TypeError(
        f"{handler_class.__name__} is not an event handler. Derive it from "
        "threadmill.EventHandler, or from "
        "openai.AsyncAssistantEventHandler."
    )


def _instantiate(handler_class: type[Any], arguments: dict[str, Any] | None) -> Any:
    given = arguments or {}
    try:
        inspect.signature(handler_class).bind(**given)
    except TypeError as error:
        raise TypeError(
            f"event_handler_kwargs do not fit {handler_class.__name__}: {error}."
        ) from None
    return handler_class(**given)
