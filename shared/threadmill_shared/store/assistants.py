"""The definitions of assistants, as all processes know them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from pydantic_core import from_json, to_json

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.store.scripts.texts import compare_and_set, create_assistant
from threadmill_shared.store.session import Session

PUBLISHED_DAYS = 30
"""How long a published definition is known after the last worker published it."""


class Assistants:
    """The definitions that workers publish or users create."""

    def __init__(self, session: Session) -> None:
        self._session = session
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
            # 0: another worker was faster, and its version is the one to compare with.
            while not await self._put(key, await self._stored(key), definition, lifetime):
                pass
            await self._runner.command("EXPIRE", key, lifetime)
            await self._runner.command("ZADD", self._keys.names(), time.time(), definition.name)
        oldest = time.time() - lifetime
        await self._runner.command("ZREMRANGEBYSCORE", self._keys.names(), "-inf", oldest)

    async def create(self, definition: Definition) -> None:
        """Store a definition under its id, until it is deleted."""
        await self._create(definition, once=False)

    async def create_once(self, definition: Definition) -> bool:
        """Store a definition under its id, unless there is one already; whether there was none.

        If the answer was lost, the call that repeats it finds its own.
        """
        return await self._create(definition, once=True)

    async def _create(self, definition: Definition, *, once: bool) -> bool:
        call = create_assistant(
            created=self._keys.created(definition.id),
            registered=self._keys.registered(),
            id=definition.id,
            definition=definition.model_dump_json(),
            once=once,
        )
        [outcome] = await self._runner.run(call)
        return bool(outcome == "ok")

    async def save(self, definition: Definition) -> int:
        """Store a changed definition under the id of a created one; returns its version.

        Raises:
            AssistantNotFound: none was created with this id, or it was deleted.
            StoreFull: Redis has no room for it.
        """
        key = self._keys.created(definition.id)
        while True:
            stored = await self._stored(key)
            if stored is None:
                raise await self._not_found(definition.id)
            if version := await self._put(key, stored, definition):
                return version

    async def _stored(self, key: str) -> str | None:
        found: str | None = await self._runner.command("GET", key)
        return found

    async def _put(
        self, key: str, stored: str | None, definition: Definition, lifetime: int | None = None
    ) -> int:
        """Its version, as it is stored now; 0 if it is not `stored` any more."""
        version = _version(stored)
        if stored and _same(stored, definition):
            return version
        new = definition.model_copy(update={"version": version + 1})
        fields = _unknown_fields(stored) | new.model_dump(mode="json")
        becomes = to_json(fields).decode()
        call = compare_and_set(place=key, was=stored or "", becomes=becomes, lifetime=lifetime)
        reply = await self._runner.run(call)
        return 0 if reply[0] == "moved" else version + 1

    async def delete(self, assistant_id: str) -> bool:
        """Delete a created definition; False if there is none."""
        deleted = await self._runner.command("DEL", self._keys.created(assistant_id))
        # Who dies here leaves an entry that lists skip, and that the indexer removes.
        await self._runner.command("ZREM", self._keys.registered(), assistant_id)
        return bool(deleted)

    async def created_ids(self) -> AsyncIterator[str]:
        """The ids of all definitions that were created; for exports, as `Threads.all_ids` is."""
        prefix = self._keys.created("")
        async for key in self._session.keys_like(self._keys.all_created()):
            yield key.removeprefix(prefix)

    async def load(self, id_or_name: str) -> Definition:
        """The definition that was created with this id, or published under this name.

        Raises:
            AssistantNotFound: there is none.
            StoreIncompatible: this release cannot read it.
        """
        for key in (self._keys.created(id_or_name), self._keys.published(id_or_name)):
            found = await self._runner.command("GET", key)
            if found:
                return Definition.read(found, f"The definition of {id_or_name!r}")
        raise await self._not_found(id_or_name)

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
