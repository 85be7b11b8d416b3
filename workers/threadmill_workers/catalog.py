"""What a worker can execute: the tools and assistants of the modules that it loads."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.publishable import Publishable
from threadmill_shared.records.workers import published_name
from threadmill_shared.tools import Tool, ToolRegistry

logger = logging.getLogger("threadmill.worker")


@dataclass
class Catalog:
    """Definitions to publish and functions to execute."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    tools: ToolRegistry = field(default_factory=ToolRegistry)
    modules: list[str] = field(default_factory=list)
    """The modules that were loaded, as they were named."""

    def scan(self, module: ModuleType) -> None:
        """Take in a module's attributes, once it has been imported as a whole.

        Assistants that functions make while they run are not attributes of a module: a web
        process may make one for each request.
        """
        for value in list(vars(module).values()):
            self.add(value)

    def add(self, value: object) -> None:
        """Take in a tool, or an assistant with its functions; nothing else."""
        if isinstance(value, Tool):
            self.tools.register(value)
        elif isinstance(value, Publishable):
            definition = value.definition()
            known = self.definitions.setdefault(definition.name, definition)
            if known != definition:
                logger.warning(
                    "two assistants are named %r; the name stands for the later one. "
                    "Rename one of them",
                    definition.name,
                )
                self.definitions[definition.name] = definition
            for tool in value.functions():
                self.tools.register(tool)

    def tool_names(self) -> list[str]:
        """The tools as other processes look them up: identity and digest."""
        return sorted(published_name(tool.spec) for tool in self.tools)


def load_catalog(modules: Iterable[str], *, warns: bool = True) -> Catalog:
    """Import modules, found in the current folder too, and take in what they hold.

    Args:
        modules: their names.
        warns: whether to log that a module has nothing for a worker.

    Raises:
        NotConfigured: a module cannot be found.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    catalog = Catalog()
    for name in modules:
        known = len(catalog.definitions), len(catalog.tools)
        catalog.scan(_import(name))
        catalog.modules.append(name)
        if warns and known == (len(catalog.definitions), len(catalog.tools)):
            logger.warning("module %s defines no assistant and no @tool", name)
    return catalog


def _import(name: str) -> ModuleType:
    name = name.removeprefix("./").removesuffix(".py").replace("/", ".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != name and not name.startswith(f"{missing}."):
            raise
        raise errors.NotConfigured(
            f"There is no module {name!r} in {Path.cwd()} or on the Python path."
        ) from None
