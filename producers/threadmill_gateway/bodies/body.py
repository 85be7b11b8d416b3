"""What all bodies have in common: how they are read and checked."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.violations import violation

MOST_PAIRS = 16
LONGEST_KEY = 64


class Body(BaseModel):
    """A JSON object that a client sends.

    SDKs leave out what their caller does not give, and send null for an explicit None: both mean
    that it is not given. A field that no call knows is an error.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(cls, content: bytes) -> Self:
        """The body of a request; an empty one is an object without members.

        Raises:
            ApiError: it is not valid; says which part of it, and why.
        """
        return cls.check(_parsed(content))

    @classmethod
    def check(cls, value: object) -> Self:
        """The same for what is parsed already.

        Raises:
            ApiError: as `read` does.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise violation(error) from None

    def given(self) -> dict[str, Any]:
        """What the client has given, by name: neither left out nor null."""
        values = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in values.items() if value is not None}


def _parsed(content: bytes) -> object:
    if not content.strip():
        return {}
    try:
        # Half of a surrogate pair cannot be stored; this parser takes only whole characters.
        return from_json(content, allow_inf_nan=False)
    except ValueError:
        raise refusals.body_is_no_json() from None


def _few_pairs(value: dict[str, str]) -> dict[str, str]:
    if len(value) > MOST_PAIRS:
        raise ValueError(
            f"too many properties. Expected an object with at most {MOST_PAIRS} properties, but "
            f"got an object with {len(value)} properties instead"
        )
    if any(len(key) > LONGEST_KEY for key in value):
        raise ValueError(f"a key is too long. Expected keys with maximum length {LONGEST_KEY}")
    return value


Metadata = Annotated[
    dict[str, Annotated[str, Field(max_length=512)]],
    AfterValidator(_few_pairs),
]
"""At most 16 pairs, keys of at most 64 and values of at most 512 characters."""
