"""The definitions of assistants, as all processes know them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from pydantic_core import from_json, to_json

from threadmill_shared import errors, ids
from threadmill_shared.records.client_request import ClientRequest, Created
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.list_filters import Span
from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.store.index_pages import read_index_page
from threadmill_shared.store.index_reader import IndexReader, Position
from threadmill_shared.store.listed_records import ListedRecords
from threadmill_shared.store.replies import refuse_other_content
from threadmill_shared.store.scripts.lists import delete_listed
from threadmill_shared.store.scripts.texts import compare_and_set, create_assistant
from threadmill_shared.store.session import Session

PUBLISHED_DAYS = 30
"""How long a published definition is known after the last worker published it."""


class Assistants:
    """The definitions that workers publish or users create."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: set[str] = set()
        self._keys = session.keys
        self._runner = session.runner

    async def publish(self, definitions: Iterable[Definition]) -> None:
        """Make definitions known by name; the last one published under a name counts.

        One that differs from what is published has the next version.

        Raises:
            StoreFull: Redis has no room for them.
        """
        lifetime = PUBLISHED_DAYS * 86_400
        for definition in definitions:
            key = self._keys.published(definition.name)
            # None: another worker was faster, and its version is the one to compare with.
            while await self._put(key, await self._stored(key), definition, lifetime) is None:
                pass
            await self._runner.command("EXPIRE", key, lifetime)
            await self._runner.command("ZADD", self._keys.names(), time.time(), definition.name)
            first = ("ZADD", self._keys.first_published(), "NX", time.time(), definition.name)
            await self._runner.command(*first)
        oldest = time.time() - lifetime
        await self._runner.command("ZREMRANGEBYSCORE", self._keys.names(), "-inf", oldest)
        await self._forget_first_publications()

    async def _forget_first_publications(self) -> None:
        """Remove the times of those that are published no more."""
        names, first = self._keys.names(), self._keys.first_published()
        dated, known = await self._runner.commands(
            [("ZRANGE", first, 0, -1), ("ZRANGE", names, 0, -1)]
        )
        if gone := set(dated) - set(known):
            await self._runner.command("ZREM", first, *gone)

    async def create(self, definition: Definition) -> Definition:
        """Store a definition under its id, until it is deleted; returns it with its time."""
        _, created = await self._create(definition, once=False)
        return definition.dated(created.at)

    async def create_for(self, request: ClientRequest, definition: Definition) -> Created:
        """Store the definition that a client's request creates, or find what it has created.

        Raises:
            IdempotencyMismatch: the request's key was used with other content.
            StoreFull: Redis has no room for it.
        """
        _, created = await self._create(definition, once=False, request=request)
        return created

    async def create_once(self, definition: Definition) -> bool:
        """Store a definition under its id, unless there is one already; whether there was none."""
        is_new, _ = await self._create(definition, once=True)
        return is_new

    async def _create(
        self, definition: Definition, *, once: bool, request: ClientRequest | None = None
    ) -> tuple[bool, Created]:
        at = str(definition.created_at or await self._session.server_time())
        call = create_assistant(
            created=self._keys.created(definition.id),
            registered=self._keys.registered(),
            mark=self._keys.request_for_assistant(request.digest if request else ""),
            prefix=self._keys.created(""),
            id=definition.id,
            definition=definition.model_dump_json(),
            at=at,
            once=once,
            requested=request.encoded() if request else "",
        )
        outcome, *found = await self._runner.run(call)
        refuse_other_content([outcome, *found])
        id, at = found or (definition.id, at)
        return outcome == "ok", Created(id, at, definition.id)

    async def save(self, definition: Definition) -> int:
        """Store a changed definition under the id of a created one; returns its version.

        Raises:
            AssistantNotFound: none was created with this id, or it was deleted.
            StoreFull: Redis has no room for it.
        """
        return (await self._replace(definition.id, lambda _: definition)).version or 0

    async def change(
        self, assistant_id: str, change: Callable[[Definition], Definition]
    ) -> Definition:
        """Store what a function makes of a created definition; returns it as it is stored.

        No change that somebody else makes at the same time is lost: the function is called again
        with what they have stored.

        Raises:
            AssistantNotFound: none was created with this id, or it was deleted.
            StoreIncompatible: this release cannot read it.
            StoreFull: Redis has no room for it.
        """
        what = f"The definition of {assistant_id!r}"
        return await self._replace(assistant_id, lambda text: change(Definition.read(text, what)))

    async def _replace(self, assistant_id: str, make: Callable[[str], Definition]) -> Definition:
        key = self._keys.created(assistant_id)
        while True:
            stored = await self._stored(key)
            if stored is None:
                raise await self._not_found(assistant_id)
            if replaced := await self._put(key, stored, make(stored)):
                registered = self._keys.registered()
                return replaced.dated(
                    await self._runner.command("ZSCORE", registered, assistant_id)
                )

    async def _stored(self, key: str) -> str | None:
        found: str | None = await self._runner.command("GET", key)
        return found

    async def _put(
        self, key: str, stored: str | None, definition: Definition, lifetime: int | None = None
    ) -> Definition | None:
        """The definition as it is stored now; None if what was there is not `stored` any more."""
        version = _version(stored)
        if stored and _same(stored, definition):
            return definition.model_copy(update={"version": version})
        new = definition.model_copy(update={"version": version + 1})
        fields = _unknown_fields(stored) | new.model_dump(mode="json")
        becomes = to_json(fields).decode()
        call = compare_and_set(place=key, was=stored or "", becomes=becomes, lifetime=lifetime)
        reply = await self._runner.run(call)
        return None if reply[0] == "moved" else new

    async def was_deleted(self, assistant_id: str) -> bool:
        """Whether a definition of this id was deleted in the last ten minutes."""
        return await self._stored(self._keys.deleted_assistant(assistant_id)) is not None

    async def delete(self, assistant_id: str) -> bool:
        """Delete a created definition; False if there is none."""
        call = delete_listed(
            record=self._keys.created(assistant_id),
            index=self._keys.registered(),
            deleted=self._keys.deleted_assistant(assistant_id),
            id=assistant_id,
            delete_id=secrets.token_hex(8),
        )
        [outcome] = await self._runner.run(call)
        return bool(outcome != "gone")

    async def created_ids(self) -> AsyncIterator[str]:
        """The ids of all definitions that were created; for exports, as `Threads.all_ids` is."""
        prefix = self._keys.created("")
        async for key in self._session.keys_like(self._keys.all_created()):
            yield key.removeprefix(prefix)

    async def page(self, query: PageQuery) -> OrderedPage[Definition]:
        """A page of the definitions that were created, by the time of that.

        One that was deleted in the last ten minutes can be a cursor, too.

        Raises:
            AssistantNotFound: no assistant of a cursor's id was created.
            StoreUnavailable: Redis does not answer.
        """
        reader = IndexReader(
            self._session,
            ["registered"],
            Span(),
            within=self._keys.assistants(),
            ascends=query.ascends,
        )
        older, newer = [await self._place(id) for id in query.ends]
        records = ListedRecords(self._session, self._told)
        return await read_index_page(reader, query, (older, newer), records.definitions)

    async def _place(self, assistant_id: str | None) -> Position | None:
        """Where one stands among those that were created."""
        if assistant_id is None:
            return None
        place = await self._runner.command("ZSCORE", self._keys.registered(), assistant_id)
        if place is None:
            note = await self._stored(self._keys.deleted_assistant(assistant_id))
            if note is None:
                raise await self._not_found(assistant_id)
            place = note.rpartition(" ")[2]
        return Position(float(place), assistant_id)

    async def load(self, id_or_name: str) -> Definition:
        """The definition that was created with this id, or published under this name or with it.

        Raises:
            AssistantNotFound: there is none.
            StoreIncompatible: this release cannot read it.
        """
        keys = self._keys
        created, at, published, first = await self._runner.commands(
            [
                ("GET", keys.created(id_or_name)),
                ("ZSCORE", keys.registered(), id_or_name),
                ("GET", keys.published(id_or_name)),
                ("ZSCORE", keys.first_published(), id_or_name),
            ]
        )
        if created:
            return Definition.read(created, f"The definition of {id_or_name!r}").dated(at)
        if published:
            return Definition.read(published, f"The definition of {id_or_name!r}").dated(first)
        name = await self._published_name(id_or_name)
        if name is None:
            raise await self._not_found(id_or_name)
        return await self.load(name)

    async def _published_name(self, assistant_id: str) -> str | None:
        """The name of the published assistant with this id, which follows from the name."""
        if not ids.is_assistant_id(assistant_id):
            return None
        names = await self._runner.command("ZRANGE", self._keys.names(), 0, -1)
        return next((name for name in names if ids.named_assistant_id(name) == assistant_id), None)

    async def _not_found(self, id_or_name: str) -> errors.AssistantNotFound:
        names = await self._runner.command("ZREVRANGE", self._keys.names(), 0, 9)
        published = f" Published assistants: {', '.join(names)}." if names else ""
        return errors.AssistantNotFound(
            f"There is no assistant {id_or_name!r}.{published} A module-level assistant is known "
            "by its name once a worker has loaded its module (threadmill worker MODULE), any other "
            "one by its id after create()."
        )


def _version(stored: str | None) -> int:
    return int(_fields(stored).get("version") or 0)


def _fields(stored: str | None) -> dict[str, Any]:
    """Of any release; none if it is damaged."""
    try:
        fields = from_json(stored) if stored else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _same(stored: str, definition: Definition) -> bool:
    """Whether they differ only in what this release does not know, and in the version.

    What two releases write of the same assistant must not make each of them store it again.
    """
    try:
        found = Definition.read(stored, "")
    except errors.StoreIncompatible:  # it is damaged, and replaced
        return False
    return found.known() | {"version": None} == definition.known() | {"version": None}


def _unknown_fields(stored: str | None) -> dict[str, Any]:
    """What a later release has stored besides: it stays, whoever replaces the rest."""
    known = Definition.model_fields
    return {name: value for name, value in _fields(stored).items() if name not in known}
