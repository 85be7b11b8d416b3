"""Requests of clients that have created something: until when it is remembered what."""

from __future__ import annotations

from threadmill_shared import ids
from threadmill_shared.records.client_request import ClientRequest
from threadmill_shared.store.scripts.requests import note_delivery
from threadmill_shared.store.session import Session


class ClientRequests:
    """The marks of one namespace; each is written by the script that creates the object."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = session.keys

    def mark(self, place: str, request: ClientRequest) -> str:
        """The key of a request's mark, beside the thread, file or assistant of the id `place`."""
        if ids.is_assistant_id(place):
            return self._keys.request_for_assistant(request.digest)
        return self._keys.request(place, request.digest)

    async def note_delivery(self, mark: str, id: str, made: str) -> None:
        """Remember an object for seconds only: the answer that names it was sent.

        Args:
            mark: the key of the request's mark.
            id: the object's.
            made: the id that this try of the request would have given to it.

        Raises:
            StoreUnavailable, StoreFull: as their names say.
        """
        await self._session.runner.run(note_delivery(mark=mark, id=id, made=made))

    async def forget(self, mark: str, id: str) -> None:
        """Give an object to no repeat any more: somebody uses it.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        await self._session.runner.command("HDEL", mark, id)
