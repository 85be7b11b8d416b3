"""Exporting conversations from the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from threadmill.client.client import Client
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking
from threadmill.thread import Thread
from threadmill.transfer import objects
from threadmill_shared import errors
from threadmill_shared.records.json_lines import json_line
from threadmill_shared.store.paging import PAGE
from threadmill_shared.store.replies import thread_not_found


@dataclass
class Exported:
    """What was written."""

    assistants: int = 0
    threads: int = 0
    messages: int = 0
    runs: int = 0


async def _export_file(
    output: str | Path | TextIO, threads: Iterable[Thread] | None = None
) -> Exported:
    """Write everything that is stored of these threads: messages, tool calls, runs and steps.

    Args:
        output: a path, or a text file that is open.
        threads: which; None: all threads and all assistants that were created.

    Raises:
        ThreadNotFound: one of them is not stored; those before it were written.
        StoreUnavailable: Redis does not answer.
        OSError: the file cannot be written.
    """
    client = current_client()
    chosen = None if threads is None else list(threads)
    with _opened(output) as file:
        exported: Exported = await client.call(_export(file, chosen, client))
    return exported


export_file = blocking(_export_file)
export_file_async = awaitable(_export_file)


def _opened(output: str | Path | TextIO) -> AbstractContextManager[TextIO]:
    """The file to write; a file of the caller's stays open."""
    if isinstance(output, str | Path):
        return Path(output).open("w", encoding="utf-8")
    return nullcontext(output)


async def _export(file: TextIO, threads: list[Thread] | None, client: Client) -> Exported:
    exported = Exported()
    async for line in _lines(client, threads):
        match line["object"]:
            case "assistant":
                exported.assistants += 1
            case "thread":
                exported.threads += 1
            case "thread.message":
                exported.messages += 1
            case "thread.run":
                exported.runs += 1
        file.write(json_line(line, is_spaced=True) + "\n")
    return exported


async def _lines(client: Client, threads: list[Thread] | None) -> AsyncIterator[dict[str, Any]]:
    if threads is not None:
        for thread in threads:
            async for line in _of_thread(client, thread.id, thread.key):
                yield line
        return
    async for assistant_id in client.store.assistants.created_ids():
        try:
            yield objects.assistant(await client.store.assistants.load(assistant_id))
        except errors.AssistantNotFound:
            continue  # deleted meanwhile
    async for thread_id in client.store.threads.all_ids():
        try:
            async for line in _of_thread(client, thread_id, None):
                yield line
        except errors.ThreadNotFound:
            continue


async def _of_thread(
    client: Client, thread_id: str, key: str | None
) -> AsyncIterator[dict[str, Any]]:
    thread = await client.store.threads.record(thread_id)
    if thread is None:
        raise thread_not_found(thread_id)
    yield objects.thread(thread, key)
    for first in range(1, thread.last + 1, PAGE):
        last = min(first + PAGE - 1, thread.last)
        page = await client.store.threads.items(thread_id, first, last)
        message_ids = [item["id"] for item, *_ in page if item["type"] == "message"]
        changed = await client.store.threads.changed_metadata(thread_id, message_ids)
        for item, at, position in page:
            if item["type"] == "message":
                item["metadata"] = changed.get(item["id"], item["metadata"])
            yield objects.item(thread_id, item, at, position)
    async for record in client.store.runs.all_of_thread(thread_id):
        yield objects.run(record)
        for step in await client.store.runs.steps(record.id):
            yield objects.step(step, record)
