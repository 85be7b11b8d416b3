"""What is written to the store by one release and read by another.

While a fleet is upgraded, processes of two releases share one store. So whatever is read keeps what
this release does not know, to pass it on whole, and a field that came later is written only if it
is set. `docs/upgrading.md` has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from threadmill_shared import errors


class Stored(BaseModel):
    """A part of what is stored: strict towards callers, tolerant towards the store.

    The constructor and `model_validate` refuse unknown fields, since they are somebody's mistake.
    `read` keeps them, and a dump has them again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, text: str, what: str) -> Self:
        """Build it from what is stored; `what` names it in the error.

        Raises:
            StoreIncompatible: this release cannot read it.
        """
        with reading(what):
            return cls.model_validate_json(text, extra="allow")

    def known(self) -> dict[str, Any]:
        """Its fields as JSON, without what only another release knows."""
        own = type(self).model_validate(self.model_dump(), extra="ignore")
        return own.model_dump(mode="json")

    @model_serializer(mode="wrap")
    def _with_unknown_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = dump(self)
        return fields | (self.model_extra or {})


def later_field(default: Any = None) -> Any:
    """A field of a later release than the first: written only if it differs from its default.

    Those of the first release are written always, since it compares what is stored with all that
    it would write itself.
    """
    return Field(default=default, exclude_if=lambda value: value == default)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Reads what is stored; `what` names it in the error.

    Raises:
        StoreIncompatible: this release cannot read it.
    """
    try:
        yield
    except ValidationError as error:
        # Only the outermost names: further in, they may be somebody's own.
        fields = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
        raise unreadable(what, sorted(fields)) from None


def unreadable(what: str, fields: Iterable[str]) -> errors.StoreIncompatible:
    """The error for what this release cannot read; it quotes none of it."""
    names = ", ".join(fields)
    where = f" ({names})" if names else ""
    return errors.StoreIncompatible(
        f"{what} cannot be read by this release of threadmill{where}: a newer release wrote it, "
        "or it is damaged. Upgrade the workers first, then the producers (docs/upgrading.md)."
    )
