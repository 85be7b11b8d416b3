"""What a list's query asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from threadmill_gateway.bodies.body import Body
from threadmill_shared.records.page import PageQuery

MOST = 100


class ListQuery(Body):
    """Which part of a list, and in which order."""

    limit: Annotated[int, Field(ge=1, le=MOST, strict=False)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    """The id of the object behind which the page begins, in the order of the list."""
    before: str | None = None
    """The id of the object before which it ends."""

    def page(self) -> PageQuery:
        """The same for the store."""
        return PageQuery(self.limit, self.order, after=self.after, before=self.before)


class MessageQuery(ListQuery):
    """The same for messages."""

    run_id: str | None = None
    """Only what this run has written."""


class FileQuery(ListQuery):
    """The same for files."""

    limit: Annotated[int, Field(ge=1, le=10_000, strict=False)] = 10_000
    purpose: str | None = None


def without_foreign(query: Mapping[str, str]) -> dict[str, str]:
    """The query but for what is not about lists: `api-version` of Azure, `include[]`."""
    return {
        name: value
        for name, value in query.items()
        if value != "" and name != "api-version" and not name.startswith("include")
    }
