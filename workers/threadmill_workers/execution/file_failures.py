"""Which files of a thread cannot be used, and who is told: the caller, the model, the log.

A failure belongs to the message that attaches the file, and is noted beside the thread, so that no
later run tries again. The same file in another message is another try.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from threadmill_shared import errors
from threadmill_shared.records import lenient
from threadmill_shared.records.files import FileFailure
from threadmill_shared.records.items import Item, MessageItem
from threadmill_shared.records.log import OwnEvent
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun

FILE_FAILED = "threadmill.file.failed"
IMAGE = "image"
"""The use of a file that the model itself sees."""

logger = logging.getLogger("threadmill.worker")


@dataclass(eq=False)
class AttachedFile:
    """A file that messages of a thread attach."""

    id: str
    name: str
    places: dict[str, list[str]] = field(default_factory=dict)
    """For each use, the ids of the messages that attach it for that."""


class FileFailures:
    """The failures of one thread's files, as far as its messages were asked for."""

    def __init__(self, store: Store, held: HeldRun) -> None:
        """Nothing is read yet.

        Args:
            store: where earlier runs have noted failures.
            held: the run, which notes and reports further ones.
        """
        self._store = store
        self._held = held
        self._known: dict[str, dict[str, FileFailure]] = {}

    async def load(self, message_ids: Iterable[str]) -> None:
        """Read what is noted of these messages, unless it was read before."""
        missing = [id for id in message_ids if id not in self._known]
        found = await self._store.files.failures(self._held.record.thread_id, missing)
        self._known |= {id: found.get(id, {}) for id in missing}

    def find(self, file: AttachedFile, use: str) -> FileFailure | None:
        """Why the file does not serve this use; None: a message attaches it without a failure."""
        found = None
        for message_id in file.places.get(use, ()):
            found = self._known.get(message_id, {}).get(file.id)
            if found is None or use not in found.uses:
                return None
        return found

    def refused_ids(self, file: AttachedFile) -> set[str]:
        """The provider's ids of uploads of this file that it cannot search."""
        noted = [failures[file.id] for failures in self._known.values() if file.id in failures]
        return {one.provider_id for one in noted if not one.is_late}

    async def add(self, file: AttachedFile, failure: FileFailure, status: int | None) -> None:
        """Report that a file cannot be used, and note it with all messages that attach it so.

        Args:
            file: the file.
            failure: why, and for what.
            status: the HTTP status with which the provider has refused it, if it has.
        """
        if failure.provider_id:  # nobody but the provider knows what it means
            reason = failure.reason.replace(failure.provider_id, file.name)
            failure = replace(failure, reason=reason)
        known = [self.find(file, use) for use in failure.uses]
        if all(one is not None and one.reason == failure.reason for one in known):
            return  # an earlier attempt has reported it
        self._announce(file, failure, status)
        # Whoever continues after a crash may report it again, but never passes over it.
        await self._held.stored()
        for message_id in _messages_with(file, failure.uses):
            old = self._known.setdefault(message_id, {}).get(file.id)
            await self._note(message_id, file.id, _joined(old, failure))

    async def forgive(self, file: AttachedFile, use: str) -> None:
        """Note that a file can serve this use after all."""
        for message_id in _messages_with(file, [use]):
            if file.id in self._known.get(message_id, {}):
                await self._note(message_id, file.id, None)

    async def _note(self, message_id: str, file_id: str, failure: FileFailure | None) -> None:
        failures = self._known[message_id]
        failures.pop(file_id, None)
        if failure is not None:
            failures[file_id] = failure
        with contextlib.suppress(errors.StoreFull):  # then the next run tries once more
            await self._held.note_failures(message_id, failures)

    def _announce(self, file: AttachedFile, failure: FileFailure, status: int | None) -> None:
        record, batch = self._held.record, Batch()
        data: dict[str, Any] = {
            "file_id": file.id,
            "filename": file.name,
            "uses": list(failure.uses),
            "error": failure.reason,
        }
        batch.record(OwnEvent(FILE_FAILED, data))
        self._held.put(batch)
        logger.warning(
            "a file of %s cannot be used: %s, for %s%s, in %s",
            record.thread_id,
            file.id,
            ", ".join(failure.uses),
            "" if status is None else f" (HTTP {status})",
            record.id,
        )


def _joined(old: FileFailure | None, new: FileFailure) -> FileFailure:
    if old is None:
        return new
    uses = tuple(dict.fromkeys([*old.uses, *new.uses]))
    return FileFailure(uses, new.reason, new.provider_id or old.provider_id, new.is_late)


def _messages_with(file: AttachedFile, uses: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(id for use in uses for id in file.places.get(use, ())))


def users_messages(items: Iterable[Item]) -> list[MessageItem]:
    """The user's messages among a thread's items."""
    return [item for item in items if item["type"] == "message" and item["role"] == "user"]


def attached_files(messages: Sequence[MessageItem]) -> list[AttachedFile]:
    """The files that messages attach for tools, oldest first."""
    files: dict[str, AttachedFile] = {}
    for message in messages:
        for attachment in lenient.objects(message.get("attachments")):
            id = lenient.text(attachment.get("file_id"))
            if not id:
                continue
            name = lenient.text(attachment.get("filename")) or id
            file = files.setdefault(id, AttachedFile(id, name))
            for tool in lenient.objects(attachment.get("tools")):
                file.places.setdefault(lenient.text(tool.get("type")), []).append(message["id"])
    return list(files.values())
