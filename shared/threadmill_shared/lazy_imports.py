"""Packages whose modules and names are loaded when they are first used (PEP 562).

A script that enqueues needs neither what prints nor what executes tools, and every process pays for
each module that it imports. A package assigns one of these to its `__getattr__`, and imports the
same for type checkers. Python's import locks make it safe in threads.
"""

from __future__ import annotations

import gc
import logging  # noqa: F401  it locks itself before a fork: after ours, if it is imported first
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_FORK_SECONDS = 10.0
"""How long a fork waits for the imports of other threads."""

_importing: list[int] = []
"""The threads that are in such a block."""
_changed = threading.Condition()


@contextmanager
def many_imports() -> Iterator[None]:
    """A block that imports many modules; Python does not look for garbage meanwhile.

    Hardly any of the objects is garbage, and looking for it takes a tenth of the time. Nor does
    another thread fork: in the child, the modules' locks would be taken for ever. Afterwards, all
    objects are old: otherwise Python would look at them at once, and several times.
    """
    thread = threading.get_ident()
    with _changed:
        _importing.append(thread)
        collects = gc.isenabled()
        gc.disable()
    try:
        yield
    finally:
        with _changed:
            _importing.remove(thread)
            if collects:
                _make_old()
                gc.enable()
            _changed.notify_all()


def _make_old() -> None:
    """Move all objects to the oldest generation, as if they had survived: it takes no time."""
    if not gc.get_freeze_count():  # otherwise what a user has frozen would thaw
        gc.freeze()
        gc.unfreeze()


def _wait_for_others() -> None:
    _changed.acquire()
    _changed.wait_for(lambda: not _others(), _FORK_SECONDS)


def _others() -> list[int]:
    return [thread for thread in _importing if thread != threading.get_ident()]


def _go_on() -> None:
    _changed.release()


def _begin_anew() -> None:
    global _changed  # noqa: PLW0603  others may have waited on it
    for thread in _others():
        _importing.remove(thread)
    _changed = threading.Condition()


os.register_at_fork(before=_wait_for_others, after_in_parent=_go_on, after_in_child=_begin_anew)


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that has names of its modules.

    Args:
        package: its `__name__`.
        homes: the module that defines each name, or that it names.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise _unknown(package, name)
        with many_imports():
            home = import_module(homes[name])
        found = home if homes[name] == f"{package}.{name}" else getattr(home, name)
        setattr(sys.modules[package], name, found)
        return found

    return load


def lazy_modules(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose modules are its attributes.

    Args:
        package: its `__name__`.
    """

    def load(name: str) -> Any:
        try:
            with many_imports():
                return import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":  # what the module itself imports is missing
                raise
        raise _unknown(package, name)

    return load


def _unknown(package: str, name: str) -> AttributeError:
    return AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
