"""Packages whose modules and names are loaded when they are first used (PEP 562).

A script that enqueues needs neither what prints nor what executes tools, and every process pays for
each module that it imports. A package assigns one of these to its `__getattr__`, and imports the
same for type checkers. Python's import locks make it safe in threads.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def many_imports() -> Iterator[None]:
    """A block that imports many modules; Python does not look for garbage meanwhile.

    Hardly any of the objects is garbage, and looking for it takes a tenth of the time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


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
