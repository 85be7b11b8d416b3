"""How an assistant comes into Redis, changes there, and leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import PrivateAttr

from threadmill.assistant_fields import AssistantFields
from threadmill.client.context_manager import WithBlock
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking, drive, drive_async
from threadmill.runs.registration import Entry, Registration
from threadmill_shared import errors, ids
from threadmill_shared.records.definition import Definition
from threadmill_shared.run_request import check_text


class Lifecycle(WithBlock, AssistantFields):
    """An assistant that can be created, loaded, saved and deleted."""

    _registration: Registration = PrivateAttr(default_factory=Registration)
    _entries: list[Entry] = PrivateAttr(default_factory=list)

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
        found = await client.hop(client.assistants.load(id_or_name))
        fields = cls._fields_of(found)
        if tools is not None:
            fields["tools"] = list(tools)
        loaded = cls(**fields)
        loaded._version = found.version
        loaded._is_registered = True
        return loaded

    @classmethod
    def _fields_of(cls, found: Definition) -> dict[str, Any]:
        fields: dict[str, Any] = found.known()
        for name in ("fields", "tools", "hosted", "version"):
            del fields[name]
        own = {name: value for name, value in found.fields.items() if name in cls.model_fields}
        return {**fields, **own, "tools": [*found.tools, *found.hosted]}

    async def adopt(self) -> None:
        """Read what is registered under an id that was given to the constructor.

        Fields that were given with it stay as they are.

        Raises:
            AssistantNotFound: nothing is registered under the id.
        """
        if self.id is None or self._is_registered:
            return
        check_text(self.id, "An assistant's id")
        client = current_client()
        found = await client.hop(client.assistants.load(self.id))
        fields = self._fields_of(found)
        for name in fields.keys() - self.model_fields_set:
            setattr(self, name, fields[name])
        self._version = found.version
        self._is_registered = True

    async def _create(self) -> None:
        """Store the assistant, so that other processes can load it by its id.

        Raises:
            LifecycleError: it has an id already.
        """
        definition, client = self._new_definition(), current_client()
        await client.hop(self._registration.create(self, definition, client.assistants))

    create = blocking(_create)
    create_async = awaitable(_create)

    async def _save(self) -> None:
        """Store the assistant as it is now, under its id; whoever loads it then gets this.

        Runs keep the definition that they were enqueued with.

        Raises:
            LifecycleError: it has no id, or is published by workers.
            AssistantNotFound: it was deleted.
        """
        self._refuse_unregistered("saved")
        await self.adopt()
        client = current_client()
        self._version = await client.hop(client.assistants.save(self.definition()))

    save = blocking(_save)
    save_async = awaitable(_save)

    async def _delete(self) -> None:
        """Remove the stored assistant; one that was removed already is no error.

        Raises:
            LifecycleError: it has no id, or is published by workers.
        """
        self._refuse_unregistered("deleted")
        client = current_client()
        await client.hop(self._registration.delete(self, client.assistants))

    delete = blocking(_delete)
    delete_async = awaitable(_delete)

    def _new_definition(self) -> Definition:
        return self.definition().model_copy(update={"id": ids.new_assistant_id(), "version": 1})

    def _refuse_unregistered(self, what: str) -> None:
        if self.id is None:
            raise errors.LifecycleError("This assistant has no id; it was not created.")
        if self.id == ids.named_assistant_id(self.name):
            raise errors.LifecycleError(
                f"{self.name!r} is published by the workers that load its module, so it is not "
                f"{what} here: change the module."
            )

    async def _enter(self) -> Self:
        definition, client, entry = self._new_definition(), current_client(), Entry()
        try:
            await client.hop(self._registration.enter(entry, self, definition, client.assistants))
        except BaseException:
            await client.hop(self._registration.exit(entry, self, client.assistants))
            raise
        self._entries.append(entry)
        return self

    async def _exit(self, _error: BaseException | None) -> None:
        client, entry = current_client(), self._entries.pop()
        try:
            await client.hop(self._registration.exit(entry, self, client.assistants))
        except BaseException:  # a cancelled task must not leave its entry behind
            await client.hop(self._registration.exit(entry, self, client.assistants))
            raise
