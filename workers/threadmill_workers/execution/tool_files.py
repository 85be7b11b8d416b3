"""Attached files for the provider's tools: code reads them, a search finds what is in them.

A file that the provider does not take is reported, and the run goes on without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from threadmill_shared import ids
from threadmill_shared.errors import ModelRefused
from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch, HostedTool
from threadmill_shared.model import FileRefused, ModelEvent, ProviderFiles
from threadmill_shared.records.files import FileFailure
from threadmill_shared.records.items import Item, text_part
from threadmill_shared.store.store import Store
from threadmill_workers.execution.cited_files import with_users_ids
from threadmill_workers.execution.file_blame import (
    can_be_of_files,
    mentions,
    names_place,
    speaks_of_files,
)
from threadmill_workers.execution.file_failures import (
    AttachedFile,
    FileFailures,
    attached_files,
    users_messages,
)
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.searched_files import LateFile, SearchedFiles
from threadmill_workers.execution.uploads import SEARCH, Uploads

CODE = "code_interpreter"
_LACKS = {
    CODE: "cannot be read by the code interpreter",
    SEARCH: "cannot be searched",
}


class ToolFiles:
    """The files of one run's thread for the hosted tools of its requests."""

    def __init__(
        self, store: Store, held: HeldRun, provider: ProviderFiles, failures: FileFailures
    ) -> None:
        """Nothing is read yet.

        Args:
            store: where the files are.
            held: the run; through it is stored what the provider has of them.
            provider: takes the files.
            failures: those of the thread's files; learns further ones.
        """
        self._failures = failures
        self._assistant_id = held.record.request.assistant_id
        self._uploads = Uploads(store, held, provider, failures)
        self._searched = SearchedFiles(store, held, provider)
        self._lacking: dict[str, dict[str, str]] = {}
        """For each file, why tools of the last request lack it."""
        self._code_files: dict[str, AttachedFile] = {}
        """What the last request names for code, by the provider's ids."""

    async def give(self, items: Sequence[Item], tools: Sequence[HostedTool]) -> list[HostedTool]:
        """The hosted tools, with the files that these messages attach for them.

        Raises:
            ModelError: the provider cannot be asked.
        """
        self._lacking, self._code_files = {}, {}
        messages = [message for message in users_messages(items) if message.get("attachments")]
        own = _uploads_of_tools(tools)
        if not messages and not own:
            return list(tools)
        # A file that the assistant's tool names itself is as one that a message attaches.
        places = [*(message["id"] for message in messages), *([self._assistant_id] if own else ())]
        await self._failures.load(places)
        files = attached_files(messages)
        for id in own:
            file = next((one for one in files if one.id == id), None)
            if file is None:
                file = AttachedFile(id, id)
                files.insert(0, file)
            file.places.setdefault(CODE, []).insert(0, self._assistant_id)
        return [await self._with_files(tool, files) for tool in tools]

    def name_cited(self, event: ModelEvent) -> ModelEvent:
        """What the model has sent, with the ids that messages name files by."""
        users_ids = self._uploads.users_ids()
        return with_users_ids(event, users_ids) if users_ids else event

    def explain(self, items: Sequence[Item]) -> list[Item]:
        """The items, with what the model must know of files that its tools lack."""
        return [self._explained(item) for item in items] if self._lacking else list(items)

    async def _with_files(self, tool: HostedTool, files: Sequence[AttachedFile]) -> HostedTool:
        wanted = [file for file in files if tool.type in file.places]
        if not wanted:
            return tool
        if isinstance(tool, FileSearch):
            tool = await self._with_searched(tool, wanted)
        elif isinstance(tool, CodeInterpreter):
            given = self._code_files = await self._uploads.give(wanted, tool.type)
            providers = [id for id in tool.file_ids if not ids.is_uploaded_file_id(id)]
            tool = tool.model_copy(update={"file_ids": _merged(providers, given)})
        for file in wanted:
            if failure := self._failures.find(file, tool.type):
                self._lacking.setdefault(file.id, {})[tool.type] = failure.reason
        return tool

    async def amend(self, error: ModelRefused, *, is_guess: bool) -> bool:
        """Mend what the last request was refused for, if that is a file or the vector store.

        Args:
            error: the refusal.
            is_guess: whether words that name neither file nor place are enough.

        Returns:
            Whether the next request differs.
        """
        if not can_be_of_files(error):
            return False
        if self._searched.store_id and mentions(error, self._searched.store_id):
            return self._searched.forget()
        blamed = self._blamed(error, is_guess=is_guess)
        for id in blamed:
            await self._mend(id, error)
        return bool(blamed)

    def _blamed(self, error: ModelRefused, *, is_guess: bool) -> list[str]:
        """The provider's ids of the files that the error names, or of the newest message's."""
        files = self._code_files
        named = [id for id, file in files.items() if mentions(error, id, file.name)]
        if named or not files or not (names_place(error) or (is_guess and speaks_of_files(error))):
            return named
        newest = list(files.values())[-1].places[CODE][-1]
        return [id for id, file in files.items() if newest in file.places[CODE]]

    async def _mend(self, id: str, error: ModelRefused) -> None:
        """Upload a file again, or report that code cannot read it."""
        file = self._code_files[id]
        if self._uploads.is_forgotten(file, error):
            await self._uploads.repeat(file)
        else:
            failure = FileFailure((CODE,), str(error).rstrip("."), id)
            await self._failures.add(file, failure, error.status)

    # ---- the search ------------------------------------------------------------------------------

    async def _with_searched(self, tool: FileSearch, files: Sequence[AttachedFile]) -> FileSearch:
        await self._look_at_late(files)
        given = await self._uploads.give(files, SEARCH)
        refused = await self._searched.give(list(given))
        if await self._repeat_forgotten(given, refused):
            given = await self._uploads.give(files, SEARCH)
            refused |= await self._searched.give(list(given))
        for id, error in refused.items():
            if id in given:
                failure = FileFailure((SEARCH,), error.reason, id, isinstance(error, LateFile))
                await self._failures.add(given[id], failure, error.status)
        await self._searched.settle()
        if self._searched.store_id is None:
            return tool
        ids_ = _merged(tool.vector_store_ids, [self._searched.store_id])
        return tool.model_copy(update={"vector_store_ids": ids_})

    async def _repeat_forgotten(
        self, given: Mapping[str, AttachedFile], refused: Mapping[str, FileRefused]
    ) -> bool:
        """Upload again what the provider does not know any more; whether there was anything."""
        pairs = [(given[id], error) for id, error in refused.items()]
        forgotten = [file for file, error in pairs if self._uploads.is_forgotten(file, error)]
        for file in forgotten:
            await self._uploads.repeat(file)
        return bool(forgotten)

    async def _look_at_late(self, files: Sequence[AttachedFile]) -> None:
        """See whether the provider can search now what it could not search in time."""
        found = [(file, self._failures.find(file, SEARCH)) for file in files]
        late = {failure.provider_id: file for file, failure in found if failure and failure.is_late}
        for id, state in (await self._searched.states(list(late))).items():
            if state.status == "completed":
                await self._failures.forgive(late[id], SEARCH)
            elif state.status == "failed":
                await self._failures.add(late[id], FileFailure((SEARCH,), state.reason, id), None)

    # ---- what the model is told ------------------------------------------------------------------

    def _explained(self, item: Item) -> Item:
        lines = [
            f"[The file {file.name} {_LACKS[use]}: {reason}.]"
            for file in attached_files(users_messages([item]))
            for use, reason in self._lacking.get(file.id, {}).items()
            if use in file.places
        ]
        if not lines:
            return item
        note = text_part("\n\n" + "\n".join(lines))
        message = cast("dict[str, list[object]]", item)
        return cast("Item", {**message, "content": [*message["content"], note]})


def _uploads_of_tools(tools: Sequence[HostedTool]) -> list[str]:
    """The ids of uploaded files that the code interpreter names itself."""
    named = [id for tool in tools if isinstance(tool, CodeInterpreter) for id in tool.file_ids]
    return [id for id in dict.fromkeys(named) if ids.is_uploaded_file_id(id)]


def _merged(known: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *more]))
