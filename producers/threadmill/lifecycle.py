"""How an assistant comes into Redis, and leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from pydantic import PrivateAttr

from threadmill.assistant_fields import AssistantFields
from threadmill.client import current_client
from threadmill.twins import awaitable, blocking, drive, drive_async
from threadmill_shared import errors, ids
from threadmill_shared.requests import check_text


class Lifecycle(AssistantFields):
    """An assistant that can be created, loaded and deleted."""

    _depth: int = PrivateAttr(default=0)
    _is_created: bool = PrivateAttr(default=False)

    @classmethod
    def load(
        cls,
        id: str | None = None,
        tools: Sequence[Any] | None = None,
        *,
        assistant_id: str | None = None,
    ) -> Self:
        """The assistant that was created with this id, or that workers publish under this name.

        Args:
            id: its id or name.
            tools: its functions; None: only their specs are known, which is enough where workers
                have the functions.
            assistant_id: the same as `id`.

        Raises:
            AssistantNotFound: there is none.
        """
        return drive(cls._load(id or assistant_id, tools))

    @classmethod
    async def load_async(
        cls,
        id: str | None = None,
        tools: Sequence[Any] | None = None,
        *,
        assistant_id: str | None = None,
    ) -> Self:
        """Async version of `load`."""
        return await drive_async(cls._load(id or assistant_id, tools))

    @classmethod
    async def _load(cls, id_or_name: str | None, tools: Sequence[Any] | None) -> Self:
        if not id_or_name:
            raise TypeError("load needs an assistant's id or name.")
        check_text(id_or_name, "An assistant's id or name")
        client = current_client()
        found = await client.hop(client.registry.load(id_or_name))
        known: dict[str, Any] = found.model_dump(exclude={"fields", "tools"})
        own: dict[str, Any] = {n: v for n, v in found.fields.items() if n in cls.model_fields}
        offered = list(found.tools) if tools is None else list(tools)
        return cls(**known, **own, tools=offered)

    async def _create(self) -> None:
        """Store the assistant, so that other processes can load it by its id.

        Raises:
            LifecycleError: it has an id already.
        """
        if self.id is not None:
            raise errors.LifecycleError(
                f"This assistant was created before; its id is {self.id}. Delete it first."
            )
        client = current_client()
        definition = self.definition().model_copy(update={"id": ids.new_assistant_id()})
        await client.hop(client.registry.create(definition))
        self.id, self._is_created = definition.id, True

    create = blocking(_create)
    create_async = awaitable(_create)

    async def _delete(self) -> None:
        """Remove the stored assistant.

        Raises:
            LifecycleError: it has no id.
        """
        if self.id is None:
            raise errors.LifecycleError("This assistant has no id; it was not created.")
        client = current_client()
        await client.hop(client.registry.delete(self.id))
        self.id, self._is_created = None, False

    delete = blocking(_delete)
    delete_async = awaitable(_delete)

    async def _enter(self) -> Self:
        if self.id is None:
            await self._create()
        # Only now: who could not enter does not leave either.
        self._depth += 1
        return self

    async def _exit(self) -> None:
        self._depth -= 1
        if self._depth == 0 and self._is_created:
            await self._delete()

    def __enter__(self) -> Self:
        return drive(self._enter())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        drive(self._exit())

    async def __aenter__(self) -> Self:
        return await drive_async(self._enter())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await drive_async(self._exit())
