"""Importing a file into the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pydantic_core import to_json

from threadmill.client.client import Client
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking
from threadmill.transfer.dropped import dropped_of_assistant
from threadmill.transfer.index import FileIndex, open_index
from threadmill.transfer.lines import AssistantLine, ItemLine, MessageLine, ThreadLine
from threadmill_shared import ids
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.items import ImportedItem
from threadmill_shared.retirements.announcements import find_retirement
from threadmill_shared.run_request import check_model

_BATCH = 200
"""The number of messages and related items in one script call."""
_BATCH_BYTES = 1_000_000


@dataclass
class Imported:
    """What a file contained, and what of it was new. If nothing was written, nothing was new."""

    assistants: int = 0
    new_assistants: int = 0
    threads: int = 0
    messages: int = 0
    new_messages: int = 0
    skipped: int = 0
    """Runs and steps: a conversation continues without them."""
    left_out: list[str] = field(default_factory=list)
    """The parts of assistants that were not kept, one sentence each."""
    dropped: dict[str, int] = field(default_factory=dict)
    """What was not kept of threads and messages (`message: image_file`), and of how many."""
    repeated: int = 0
    """Assistants and messages whose id an earlier line of the file has; they count once."""
    invalid: list[str] = field(default_factory=list)
    """With `skip_invalid`: the lines that were skipped, each with its number and the reason."""
    mapped: dict[str, int] = field(default_factory=dict)
    """The models of `map_model`, each with the number of assistants in the file that name it."""
    retiring: dict[str, int] = field(default_factory=dict)
    """Models that OpenAI has shut down or announced to shut down, each with the number of
    assistants that still use it.
    """


async def _import_file(
    path: str | Path,
    *,
    dry_run: bool = False,
    map_model: Mapping[str, str] | None = None,
    skip_invalid: bool = False,
) -> Imported:
    """Import assistants, threads and messages.

    The file is read twice: first all of it is checked, then it is stored. Existing objects do not
    change, so an import that was interrupted can be repeated.

    An old id becomes the thread's key: `Thread(key="thread_abc123")` finds it.

    Args:
        path: a file of lines, each a JSON object of the Assistants API, in any order. It may be in
            UTF-8, UTF-16 or UTF-32, and compressed with gzip.
        dry_run: check only.
        map_model: models of assistants in the file, each with the one to store in its place.
        skip_invalid: skip invalid lines, and list them in the result.

    Raises:
        TypeError: `map_model` is not a mapping, or a model in it is not a str.
        CallerError: a line is invalid, named with its number, the file is compressed and damaged,
            or a model in `map_model` is empty. Nothing was written.
        ThreadLocked: a run holds a thread that has new messages; the part before it was written.
        StoreUnavailable, StoreFull: as their names say. The import can be repeated.
        OSError: the file cannot be read.
    """
    models = _checked(map_model)
    if dry_run:
        file, index = open_index(path, skip_invalid=skip_invalid)
        with file, closing(index):
            return _found(index, models)
    client = current_client()
    imported: Imported = await client.call(_import(path, client, models, skip_invalid=skip_invalid))
    return imported


import_file = blocking(_import_file)
import_file_async = awaitable(_import_file)


def _checked(map_model: Mapping[str, str] | None) -> dict[str, str]:
    if not isinstance(map_model, Mapping | None):
        raise TypeError(f"map_model must be a mapping of models, not {type(map_model).__name__}.")
    models = dict(map_model or {})
    for model in (*models, *models.values()):
        check_model(model)
    return models


async def _import(
    path: str | Path, client: Client, models: Mapping[str, str], *, skip_invalid: bool
) -> Imported:
    file, index = await asyncio.to_thread(open_index, path, skip_invalid=skip_invalid)
    with file, closing(index):
        imported = _found(index, models)
        mapped, used = Counter[str](), Counter[str]()
        for line in _assistants(index):
            given = line.definition()
            stored = _mapped(given, models)
            if await client.store.assistants.create_once(stored):
                imported.new_assistants += 1
                mapped[given.model] += 1
            else:  # existing objects do not change
                stored = await client.store.assistants.load(given.id)
            used[stored.model] += 1
        imported.mapped = {model: mapped[model] for model in models}
        imported.retiring = _retiring(used)
        for thread_id, start in index.threads():
            imported.new_messages += await _import_thread(client, index, thread_id, start)
        return imported


def _found(index: FileIndex, models: Mapping[str, str]) -> Imported:
    named = Counter(line.definition().model for line in _assistants(index))
    used: Counter[str] = Counter()
    for model, number in named.items():
        used[models.get(model, model)] += number
    return Imported(
        assistants=len(index.assistants),
        threads=index.count_threads(),
        messages=index.messages,
        skipped=index.skipped,
        left_out=[
            f"{line.id} ({line.name}): {', '.join(left_out)}"
            for line in _assistants(index)
            if (left_out := dropped_of_assistant(line))
        ],
        dropped=dict(index.dropped),
        repeated=index.repeated,
        invalid=index.invalid,
        mapped={model: named[model] for model in models},
        retiring=_retiring(used),
    )


def _retiring(used: Mapping[str, int]) -> dict[str, int]:
    return {model: number for model, number in used.items() if find_retirement(model)}


def _assistants(index: FileIndex) -> Iterator[AssistantLine]:
    for start in index.assistants:
        line = index.line(start)
        assert isinstance(line, AssistantLine)  # noqa: S101  the index says so
        yield line


def _mapped(definition: Definition, models: Mapping[str, str]) -> Definition:
    """The definition with the model that replaces its model.

    A thread's reasoning keeps the name of the model that wrote it: it is not sent to another one.
    """
    model = models.get(definition.model, definition.model)
    return definition.model_copy(update={"model": model})


async def _import_thread(client: Client, index: FileIndex, old_id: str, start: int | None) -> int:
    line = None if start is None else index.line(start)
    assert line is None or isinstance(line, ThreadLine)  # noqa: S101  the index says so
    key = line.threadmill.key if line else None
    if key is None and not ids.is_thread_id(old_id):
        key = old_id
    thread_id = old_id
    if key is not None:
        thread_id = ids.keyed_thread_id(client.settings.namespace, key)
    added = 0
    for part in _batches(index, old_id):
        first = part[0].at if part else 0
        added += await client.store.threads.import_items(
            thread_id,
            part,
            created_at=_created_at(line, first),
            metadata=line.metadata if line else None,
            key=key,
        )
    return added


def _created_at(line: ThreadLine | None, first: int) -> int:
    if line is None:
        return first
    return line.created_at * 1000 if line.threadmill.at is None else line.threadmill.at


def _batches(index: FileIndex, thread_id: str) -> Iterator[list[ImportedItem]]:
    """The thread's items in parts, at least one; each but the first begins with a message."""
    part: list[ImportedItem] = []
    size = 0
    for line in index.lines_of_thread(thread_id):
        message_id, text = _item(index, line.start)
        if message_id and part and (len(part) >= _BATCH or size >= _BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(ImportedItem(message_id, text, line.at))
        size += len(text)
    yield part


def _item(index: FileIndex, start: int) -> tuple[str, str]:
    line = index.line(start)
    assert isinstance(line, MessageLine | ItemLine)  # noqa: S101  the index says so
    item = line.item(index.names) if isinstance(line, MessageLine) else line.item
    message_id = item["id"] if item["type"] == "message" else ""
    return message_id, to_json(item).decode()
