"""What is known of assistants and workers across processes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic_core import from_json, to_json
from redis.exceptions import ResponseError

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.store.runs import Store
from threadmill_shared.tools import ToolSpec

FORMAT = 1
"""Number of the store's format: how keys are named, and what is in them."""
OLDEST_SERVER = (6, 2)
PUBLISHED_DAYS = 30
"""How long a published definition is known after the last worker published it."""


@dataclass(frozen=True)
class Seen:
    """How the death of a worker's process can be seen: its connection leaves the server's list."""

    server: str
    """The server's `run_id`; after a restart or a failover, the list says nothing."""
    client: int
    """The connection's number there."""


@dataclass(frozen=True)
class WorkerInfo:
    """A worker's registration."""

    id: str
    """`host:pid:nonce`"""
    worker: str
    """`host:pid`"""
    since: int
    """Seconds since the epoch."""
    queue: str
    """The queue that only this worker consumes."""
    queues: tuple[str, ...] = ()
    """All queues that it consumes."""
    seen: Seen | None = None
    """None: only its lease tells whether it lives."""

    def encode(self) -> str:
        """The registration as it is stored under the worker's id."""
        fields = {name: value for name, value in asdict(self).items() if name != "id"}
        return to_json(fields).decode()

    @classmethod
    def read(cls, id: str, registration: str) -> WorkerInfo:
        """Build it from what is stored; what a later version has written besides is left out."""
        stored = from_json(registration)
        seen = stored.get("seen")
        return cls(
            id=id,
            worker=stored["worker"],
            since=stored["since"],
            queue=stored["queue"],
            queues=tuple(stored.get("queues", ())),
            seen=Seen(seen["server"], seen["client"]) if seen else None,
        )


class Registry:
    """Definitions that workers publish or users create, and the workers that are alive."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys

    async def check_format(self) -> None:
        """Mark the store with the format's number, and refuse one of a later format.

        Raises:
            StoreIncompatible: a newer threadmill has written this store.
        """
        key = self._keys.format()
        stored = await self._store.read("GET", key)
        # Only where it is older, since a full server takes nothing in; and only in the place of
        # what was read, since a later release may raise it meanwhile.
        while int(stored or 0) < FORMAT:
            args = {"was": stored or "", "becomes": FORMAT, "lifetime": ""}
            await self._store.scripts.run("replace", keys={"place": key}, args=args)
            stored = await self._store.read("GET", key)
        if (found := int(stored or 0)) > FORMAT:
            raise errors.StoreIncompatible(
                f"This store has format {found}, and this threadmill knows formats up to {FORMAT}. "
                "Upgrade this worker, or give it a namespace of its own (THREADMILL_NAMESPACE)."
            )

    async def check_server(self) -> None:
        """Refuse a server that is too old, or that would evict keys: leases and runs among them.

        Raises:
            StoreIncompatible: it is one of these.
        """
        info = await self._info("server") | await self._info("memory")
        version = str(info.get("redis_version", ""))
        if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise errors.StoreIncompatible(
                f"This Redis has version {version}; threadmill needs {oldest} or newer."
            )
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise errors.StoreIncompatible(
                f"This Redis evicts keys when it is full (maxmemory-policy {policy}), and would "
                "lose conversations and leases. Set maxmemory-policy to noeviction."
            )

    async def _info(self, section: str) -> dict[str, Any]:
        try:
            found = await self._store.read("INFO", section)
        except ResponseError:  # an ACL may forbid it
            return {}
        return found if isinstance(found, dict) else {}

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
            await self._store.read("EXPIRE", key, lifetime)
            await self._store.read("ZADD", self._keys.names(), time.time(), definition.name)
        oldest = time.time() - lifetime
        await self._store.read("ZREMRANGEBYSCORE", self._keys.names(), "-inf", oldest)

    async def create(self, definition: Definition) -> None:
        """Store a definition under its id, until it is deleted."""
        await self._store.read(
            "SET", self._keys.created(definition.id), definition.model_dump_json()
        )

    async def create_once(self, definition: Definition) -> bool:
        """Store a definition under its id, unless there is one already; whether there was none."""
        key = self._keys.created(definition.id)
        return bool(await self._store.read("SET", key, definition.model_dump_json(), "NX"))

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
        found: str | None = await self._store.read("GET", key)
        return found

    async def _put(
        self, key: str, stored: str | None, definition: Definition, lifetime: int | None = None
    ) -> int:
        """Its version, as it stands there now; 0 where it is not `stored` any more."""
        version = _version(stored)
        if stored and _same(stored, definition):
            return version
        new = definition.model_copy(update={"version": version + 1})
        fields = _unknown_fields(stored) | new.model_dump(mode="json")
        reply = await self._store.scripts.run(
            "replace",
            keys={"place": key},
            args={
                "was": stored or "",
                "becomes": to_json(fields).decode(),
                "lifetime": lifetime or "",
            },
        )
        return 0 if reply[0] == "moved" else version + 1

    async def delete(self, assistant_id: str) -> bool:
        """Delete a created definition; False where there is none."""
        return bool(await self._store.read("DEL", self._keys.created(assistant_id)))

    async def created_ids(self) -> AsyncIterator[str]:
        """The ids of all definitions that were created; for exports, as `Store.thread_ids` is."""
        prefix = self._keys.created("")
        async for key in self._store.keys_like(self._keys.all_created()):
            yield key.removeprefix(prefix)

    async def load(self, id_or_name: str) -> Definition:
        """The definition that was created with this id, or published under this name.

        Raises:
            AssistantNotFound: there is none.
            StoreIncompatible: this release cannot read it.
        """
        for key in (self._keys.created(id_or_name), self._keys.published(id_or_name)):
            found = await self._store.read("GET", key)
            if found:
                return Definition.read(found, f"The definition of {id_or_name!r}")
        raise await self._not_found(id_or_name)

    async def _not_found(self, id_or_name: str) -> errors.AssistantNotFound:
        names = await self._store.read("ZREVRANGE", self._keys.names(), 0, 9)
        published = f" Published are: {', '.join(names)}." if names else ""
        return errors.AssistantNotFound(
            f"No assistant {id_or_name!r} is known.{published} A module-level assistant is known "
            "by its name once a worker has loaded its module (threadmill worker MODULE), any other "
            "one by its id after create()."
        )

    async def workers(self) -> list[WorkerInfo]:
        """The workers whose lease lives."""
        registered = await self._store.read("HGETALL", self._keys.alive())
        leases = await self._store.gather(("EXISTS", self._keys.lease(id)) for id in registered)
        found = zip(registered.items(), leases, strict=True)
        return [WorkerInfo.read(id, text) for (id, text), lives in found if lives]

    async def worker_with_more(self, tools: Sequence[ToolSpec], than: int) -> WorkerInfo | None:
        """The live worker that can execute the most of these tools, if more than so many."""
        names = [published_name(tool) for tool in tools]
        workers = await self.workers()
        known = await self._store.gather(
            ("SMISMEMBER", self._keys.tools(worker.id), *names) for worker in workers
        )
        most, best = than, None
        for worker, found in zip(workers, known, strict=True):
            if sum(found) > most:
                most, best = sum(found), worker
        return best


def _version(stored: str | None) -> int:
    return int(_fields(stored).get("version") or 0)


def _fields(stored: str | None) -> dict[str, Any]:
    """Of any release; none where it is damaged."""
    try:
        fields = from_json(stored) if stored else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _same(stored: str, definition: Definition) -> bool:
    """Whether they differ only in what this release does not know, and in the version.

    What two releases write of the same assistant must not make each of them store it anew.
    """
    try:
        found = Definition.read(stored, "")
    except errors.StoreIncompatible:  # it is damaged, and stored anew
        return False
    return found.known() | {"version": None} == definition.known() | {"version": None}


def _unknown_fields(stored: str | None) -> dict[str, Any]:
    """What a later release has stored besides: it stays, whoever stores the rest anew."""
    known = Definition.model_fields
    return {name: value for name, value in _fields(stored).items() if name not in known}


def published_name(tool: ToolSpec) -> str:
    """A tool as workers publish it: what it is, and which version of it."""
    return f"{tool.identity} {tool.digest}"
