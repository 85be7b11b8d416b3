"""Models whose schema is built when they are first used, not when their class is defined.

It is the last fifth of `from threadmill import Assistant`: pydantic then looks for plugins in all
packages that are installed. Pydantic can defer it (`defer_build`), but so it would for users'
classes, and then what is wrong with a field would not be raised at its class; the signature would
be missing until then; and before pydantic 2.14, threads that use a model first at the same time
could see it half built.
"""

from __future__ import annotations

import threading
from inspect import Signature
from typing import Any

from pydantic import BaseModel, ConfigDict

from threadmill_shared.lazy_imports import many_imports

_building = threading.RLock()


class LateSchema(BaseModel):
    """A model of which the classes that derive from it directly build their schema later."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        """Have classes that derive from this one be built at once, and give it a signature."""
        super().__pydantic_init_subclass__(**given)
        if cls.model_config.get("defer_build") and not cls.__pydantic_complete__:
            cls.model_config["defer_build"] = False
            cls.__signature__ = _LateSignature(cls)  # type: ignore[assignment]

    @classmethod
    def model_rebuild(cls, *, _parent_namespace_depth: int = 2, **given: Any) -> bool | None:
        """Build the schema, as pydantic does; in one thread at a time."""
        with many_imports(), _building:
            return super().model_rebuild(
                _parent_namespace_depth=_parent_namespace_depth + 1, **given
            )


class _LateSignature:
    """A model's signature until it is built; then pydantic replaces it."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get__(self, instance: object, _: type[object]) -> Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # an instance that can be called has its own
        self._model.model_rebuild()
        return self._model.__signature__
