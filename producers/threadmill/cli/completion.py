"""What a shell offers for ids and names, read from the store: nothing if it does not answer."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from threadmill.cli.texts import shown_text

if TYPE_CHECKING:
    from threadmill_shared.store.store import Store

Read = Callable[["Store", click.Context], Awaitable[list[CompletionItem]]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

PATIENCE_SECONDS = 1.5
"""How long somebody waits who has pressed Tab."""
RECENT = 100
"""Runs and threads that are offered, the newest ones."""


def from_store(read: Read) -> Complete:
    """What click calls to complete a value, made of what reads all that can be offered."""

    def complete(
        context: click.Context,
        _parameter: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        with _within(PATIENCE_SECONDS):
            found = _read(read, context)
        return [one for one in found if one.value.startswith(incomplete)]

    return complete


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """End the process if the block takes longer: a host name that nobody resolves blocks a thread.

    The shell sees no offer then, and no error.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _read(read: Read, context: click.Context) -> list[CompletionItem]:
    """All that can be offered; nothing, and no word on the terminal, if that fails."""
    import asyncio

    logging.disable(logging.CRITICAL)
    try:
        return asyncio.run(_read_store(read, context))
    except Exception:  # noqa: BLE001  an error would appear in the middle of what is being typed
        return []
    finally:
        logging.disable(logging.NOTSET)


async def _read_store(read: Read, context: click.Context) -> list[CompletionItem]:
    from threadmill_shared.settings import load_settings
    from threadmill_shared.store.connections import connect
    from threadmill_shared.store.store import Store

    settings = load_settings()
    url = _running_server() if settings.redis_url is None else settings.store_url()
    if url is None:
        return []
    store = Store(connect(url), settings.namespace, patience=0)
    try:
        return await read(store, context)
    finally:
        await store.close()


def _running_server() -> str | None:
    """The embedded server of the current folder; pressing Tab must not start it."""
    from pathlib import Path

    from threadmill.embedded.server import FOLDER, find_server

    return find_server(Path.cwd() / FOLDER)


# ---- what is offered -----------------------------------------------------------------------------


async def _recent_runs(store: Store, _: click.Context) -> list[CompletionItem]:
    return await _runs(store, only_live=False)


async def _live_runs(store: Store, _: click.Context) -> list[CompletionItem]:
    return await _runs(store, only_live=True)


async def _runs(store: Store, *, only_live: bool) -> list[CompletionItem]:
    from threadmill_shared.records.list_filters import RunFilter
    from threadmill_shared.records.run import TERMINAL

    page = await store.lists.runs(RunFilter(), RECENT, None)
    return [
        _item(run.id, f"{run.status.value} {run.request.assistant_name}")
        for run in page.data
        if not only_live or run.status not in TERMINAL
    ]


async def _waiting_runs(store: Store, _: click.Context) -> list[CompletionItem]:
    from threadmill.inspection.approvals import read_approvals

    calls = await read_approvals(store, limit=RECENT)
    tools: dict[str, list[str]] = {}
    for call in calls:
        tools.setdefault(call.run_id, []).append(call.tool)
    return [_item(run_id, " ".join(names)) for run_id, names in tools.items()]


async def _waiting_calls(store: Store, context: click.Context) -> list[CompletionItem]:
    from threadmill.inspection.approvals import read_approvals

    calls = await read_approvals(store, limit=RECENT)
    return [_item(one.call_id, one.tool) for one in calls if one.run_id == context.params["run_id"]]


async def _assistants(store: Store, _: click.Context) -> list[CompletionItem]:
    from threadmill.inspection.assistants import read_assistants

    return [
        _item(one.id, one.name) if one.origin == "created" else _item(one.name, one.model)
        for one in await read_assistants(store)
    ]


async def _threads(store: Store, _: click.Context) -> list[CompletionItem]:
    from threadmill.inspection.thread_list import read_threads
    from threadmill_shared.records.list_filters import ThreadFilter

    found = await read_threads(store, ThreadFilter(), RECENT)
    return [_item(one.id, one.key or "") for one in reversed(found.threads)]


async def _keys(store: Store, _: click.Context) -> list[CompletionItem]:
    from threadmill.inspection.thread_list import read_threads
    from threadmill_shared.records.list_filters import ThreadFilter

    found = await read_threads(store, ThreadFilter(), RECENT)
    return [_item(one.key, one.id) for one in reversed(found.threads) if one.key]


def _item(value: str, help: str) -> CompletionItem:
    return CompletionItem(shown_text(value), help=shown_text(help))


complete_run = from_store(_recent_runs)
complete_live_run = from_store(_live_runs)
complete_waiting_run = from_store(_waiting_runs)
complete_waiting_call = from_store(_waiting_calls)
complete_assistant = from_store(_assistants)
complete_thread = from_store(_threads)
complete_key = from_store(_keys)
