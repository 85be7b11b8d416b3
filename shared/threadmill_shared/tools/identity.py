"""Where a tool's function is found again: in any process by import, or in this process only.

- `shop.orders:refund`: an import finds it, so any process may execute it.
- `__main__@5f0c94be71d2:refund`: a script's own, since every script is called `__main__`.
- `shop.orders:make.<locals>.refund@5f0c94be71d2.3`: a closure, a bound method, a partial; this very
  object.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

_SCRIPTS = frozenset({"__main__", "__mp_main__"})

_nonce = secrets.token_hex(6)


def process_nonce() -> str:
    """12 hex digits that no other process has, a forked child included."""
    return _nonce


def is_of_one_process(identity: str) -> bool:
    """Whether only the process that has made this identity can ever have the function."""
    return "@" in identity


def module_of(identity: str) -> str:
    """The module that a worker must load to have the function."""
    return identity.partition(":")[0]


def identity_of(
    function: Callable[..., Any], is_it: Callable[[object], bool], home: str | None = None
) -> str:
    """The identity under which a registry finds this function.

    Args:
        function: what is executed.
        is_it: whether a module's attribute is this function, or the tool made of it.
        home: name of the module that made the tool; looked through for what has no place of its
            own (`refund = tool(shop.refund)`).
    """
    module, qualname = names_of(function)
    place = _own_place(module, qualname, is_it) or _place_at_home(home, is_it)
    if place is None:
        return f"{module}:{qualname}@{_nonce}.{_objects.number(function)}"
    module, name = place
    return f"{module}@{_nonce}:{name}" if module in _SCRIPTS else f"{module}:{name}"


def names_of(function: Callable[..., Any]) -> tuple[str, str]:
    """Module and qualified name of what a callable executes."""
    inner = underlying(function)
    qualname = getattr(inner, "__qualname__", type(inner).__qualname__)
    return str(getattr(inner, "__module__", None) or "builtins"), str(qualname)


def underlying(function: Any) -> Any:
    """The plain function behind a partial, a bound method or a callable object."""
    function = innermost(function)
    return function if hasattr(function, "__qualname__") else type(function).__call__


def innermost(function: Any) -> Any:
    """What a partial or a bound method is made of: a function or a callable object."""
    while isinstance(function, partial):
        function = function.func
    return function.__func__ if isinstance(function, MethodType) else function


def _own_place(
    module: str, qualname: str, is_it: Callable[[object], bool]
) -> tuple[str, str] | None:
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return (module, qualname) if found is not None and is_it(found) else None


def _place_at_home(home: str | None, is_it: Callable[[object], bool]) -> tuple[str, str] | None:
    module = sys.modules.get(home) if home else None
    attributes = list(vars(module).items()) if module else []
    name = next((name for name, value in attributes if is_it(value)), None)
    return (str(home), name) if name else None


class _Objects:
    """A number per object, the same as long as the object lives, never used twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = itertools.count(1)
        self._numbers: dict[tuple[int, int], tuple[weakref.ref[Any], Any, int]] = {}

    def number(self, function: Callable[..., Any]) -> int:
        # Each access to `obj.method` makes a new object; what lasts are its two halves.
        owner, half = (
            (function.__self__, function.__func__)
            if isinstance(function, MethodType)
            else (function, None)
        )
        key = (id(owner), id(half))
        with self._lock:
            if key not in self._numbers:
                try:
                    gone = weakref.ref(owner, lambda _: self._numbers.pop(key, None))
                except TypeError:
                    # Its id could come back as another object's, so it is not remembered.
                    return next(self._count)
                self._numbers[key] = (gone, half, next(self._count))
            return self._numbers[key][2]

    def after_fork(self) -> None:
        # A thread of the parent may have held the lock; here nobody would ever release it.
        self._lock = threading.Lock()


_objects = _Objects()


def _renew() -> None:
    global _nonce  # noqa: PLW0603 - the one value that a fork must change
    _nonce = secrets.token_hex(6)
    _objects.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
