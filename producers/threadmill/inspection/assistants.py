"""The assistants that runs can be enqueued for: those of workers' modules, and created ones."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from threadmill.inspection.workers import WorkerView, read_workers
from threadmill_shared import errors, ids
from threadmill_shared.records.definition import Definition
from threadmill_shared.store.store import Store

ASSISTANT_PAGE = 200


@dataclass(frozen=True)
class AssistantView:
    """An assistant that is known by name, or by the id under which it was created."""

    name: str
    id: str
    origin: Literal["published", "created"]
    """`published`: workers have it in a module that they loaded."""
    version: int | None
    model: str
    queue: str | None
    tools: int
    workers: tuple[str, ...] = ()
    """The live workers that publish it, `host:pid`."""
    differing: tuple[str, ...] = ()
    """Those of them whose module defines it otherwise than it is published."""
    is_stale: bool | None = None
    """Whether no live worker publishes it any more; None: it was created, or workers of an older
    release are alive, which do not say what they publish."""
    published_at: float | None = None
    """When a worker has last published it: when it started."""
    is_readable: bool = True
    """Whether this release can read its definition; else only the name and the workers are known,
    since a newer release has published it."""


async def read_assistants(store: Store) -> list[AssistantView]:
    """Read the published assistants, then those that were created; by name.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    workers = [one for one in await read_workers(store) if one.condition != "silent"]
    published = [
        _published(name, text, at, workers)
        for name, at, text in await store.inspector.published()
        if text is not None
    ]
    created = [_view(one, "created") for one in await _read_created(store)]
    return [*_by_name(published), *_by_name(created)]


async def _read_created(store: Store) -> list[Definition]:
    """The assistants that were created, from their list, or key by key while that may lack some."""
    found: list[Definition] = []
    if await store.lists.are_incomplete():
        for id in [id async for id in store.assistants.created_ids()]:
            # It was deleted meanwhile, or a newer release has written it.
            with contextlib.suppress(errors.AssistantNotFound, errors.StoreIncompatible):
                found.append(await store.assistants.load(id))
        return found
    cursor = None
    while True:
        page = await store.lists.assistants(ASSISTANT_PAGE, cursor)
        found += [one for one in page if one.id != ids.named_assistant_id(one.name)]
        cursor = page.cursor
        if cursor is None:
            return found


def _by_name(found: list[AssistantView]) -> list[AssistantView]:
    return sorted(found, key=lambda one: one.name)


def _published(name: str, text: str, at: float, workers: Sequence[WorkerView]) -> AssistantView:
    publishing = [one for one in workers if name in one.assistants]
    is_certain = all(one.version is not None for one in workers)
    found = _read(name, text)
    digest = found.digest() if found else None
    view = _view(found or Definition(id="", name=name, model=""), "published")
    return replace(
        view,
        workers=tuple(one.worker for one in publishing),
        differing=tuple(
            one.worker for one in publishing if digest not in (None, one.assistants[name])
        ),
        is_stale=None if not publishing and not is_certain else not publishing,
        published_at=at,
        is_readable=found is not None,
    )


def _read(name: str, text: str) -> Definition | None:
    try:
        return Definition.read(text, f"The definition of {name!r}")
    except errors.StoreIncompatible:
        return None


def _view(found: Definition, origin: Literal["published", "created"]) -> AssistantView:
    return AssistantView(
        name=found.name,
        id=found.id,
        origin=origin,
        version=found.version,
        model=found.model,
        queue=found.queue,
        tools=len(found.tools) + len(found.hosted),
    )
