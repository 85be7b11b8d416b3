"""One call of the API, as its endpoint sees it."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.body import Body
from threadmill_gateway.bodies.query import without_foreign
from threadmill_gateway.bodies.reading import read_body, read_bytes
from threadmill_gateway.connections import Connections
from threadmill_gateway.exchange import Exchange
from threadmill_gateway.gateway import Gateway
from threadmill_shared import ids
from threadmill_shared.records.run import RunRecord
from threadmill_shared.records.stored_run import StoredRun
from threadmill_shared.records.thread import ThreadRecord
from threadmill_shared.store.store import Store

T = TypeVar("T", bound=Body)


class Call:
    """The request, what it asks for, and what serves it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._content: bytes | None = None
        self.gateway: Gateway = request.scope["gateway"]
        self.exchange: Exchange = request.scope["exchange"]
        for id in request.path_params.values():
            self.note_use(id)

    @property
    def connections(self) -> Connections:
        """What the gateway works with."""
        return self.gateway.connections

    @property
    def store(self) -> Store:
        """The store of threads and runs."""
        return self.gateway.connections.store

    def note_use(self, id: str) -> None:
        """Take note that the request names an object."""
        if (fresh := self.gateway.fresh.take(id)) is not None:
            self.connections.note_use(*fresh)

    async def content(self) -> bytes:
        """The request's body as it was sent.

        Raises:
            ApiError: it is too large.
        """
        if self._content is None:
            self._content = await read_bytes(self.request, self.gateway.options.body_bytes)
        return self._content

    async def body(self, kind: type[T]) -> T:
        """The request's body.

        Raises:
            ApiError: it is not valid.
        """
        return read_body(self.request, kind, await self.content())

    def query(self, kind: type[T]) -> T:
        """What the query asks for.

        Raises:
            ApiError: it is not valid.
        """
        return kind.check(without_foreign(self.request.query_params))

    def path(self, name: str, prefix: str) -> str:
        """An id in the path.

        Raises:
            ApiError: it cannot be one of this kind.
        """
        id: str = self.request.path_params[name]
        if not id.startswith(f"{prefix}_") or len(id) > _LONGEST_ID:
            raise refusals.invalid_id(name, id[:_LONGEST_ID], prefix)
        return id

    async def thread(self) -> tuple[str, ThreadRecord]:
        """The path's thread: the id by which the client knows it, and its record.

        Raises:
            ApiError: there is none.
        """
        given = self.path("thread_id", "thread")
        for id in self.thread_ids(given):
            record = await self.store.threads.record(id)
            if record is not None:
                return given, record
        raise refusals.not_found("thread", given)

    async def run(self) -> tuple[str, RunRecord]:
        """The path's run: the id by which the client knows its thread, and its record.

        Raises:
            ApiError: there is none, or it is of another thread.
        """
        thread_id, found = await self.stored_run()
        return thread_id, found.read()

    async def stored_run(self) -> tuple[str, StoredRun]:
        """The same as it is stored.

        Raises:
            ApiError: there is none, or it is of another thread.
        """
        thread_id, run_id = self.path("thread_id", "thread"), self.path("run_id", "run")
        found = await self.store.runs.stored(run_id) if ids.is_run_id(run_id) else None
        if found is None or not self._is_known_as(found.thread_id, thread_id):
            raise refusals.not_found("run", run_id)
        return thread_id, found

    def _is_known_as(self, id: str, given: str) -> bool:
        """Whether the client knows the thread with this id by the given one."""
        return id == given or id in self.thread_ids(given)

    def thread_ids(self, given: str) -> list[str]:
        """The ids that a thread can have which the client knows by this one.

        An imported thread has its former id for a key.
        """
        keyed = ids.keyed_thread_id(self.gateway.settings.namespace, given)
        return [given, keyed] if ids.is_thread_id(given) else [keyed]


_LONGEST_ID = 256
