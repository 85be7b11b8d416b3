"""Runs straight from the store to an answer: clients poll them, again and again.

Interpreting a record takes longer than the rest of what is done for such a request. An answer needs
a dozen of its forty fields, and what was requested is the same each time. Runs with an error or
with calls that wait go the long way, and so does whatever is odd; tests compare both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic_core import from_json

from threadmill_shared import errors
from threadmill_shared.events.api_objects import requested, run_progress
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.run import Status
from threadmill_shared.records.stored_run import StoredRun

_KEPT = 128
_LONGEST = 16_384
"""Of what was requested so many are kept, none longer than that: at most some megabytes."""
_ODD = ("last_error", "reason")


def plain(stored: StoredRun, thread_id: str) -> dict[str, Any] | None:
    """A run of the thread that the client knows by this id; None: it must go the long way.

    Raises:
        StoreIncompatible: this release does not know its status.
    """
    fields, status = stored.fields, stored.status
    if status is Status.REQUIRES_ACTION or any(map(fields.get, _ODD)):
        return None
    try:
        asked = _requested(fields["request"])
        metadata, usage = (_parsed(fields.get(name)) for name in ("metadata", "usage"))
    except (KeyError, ValueError, errors.StoreIncompatible):
        return None
    # None of them is 0: then it is not there.
    times = {name: int(fields.get(name) or 0) for name in ("started_at", "deadline", "ended_at")}
    created_at = int(fields.get("created_at") or 0)
    results = {
        "started_at": times["started_at"],
        "expires_at": None if status.is_terminal else times["deadline"],
        "usage": usage,
    }
    return {
        "id": stored.id,
        "object": "thread.run",
        "created_at": created_at // 1000,
        "thread_id": thread_id,
        "required_action": None,
        **asked,
        "metadata": asked["metadata"] if metadata is None else metadata,
        **run_progress(status, results, times["ended_at"] or created_at),
    }


def _parsed(text: str | None) -> dict[str, Any] | None:
    """The object that a field has.

    Raises:
        ValueError: it has something else.
    """
    found = from_json(text) if text else None
    if found is not None and not isinstance(found, dict):
        raise ValueError
    return found


def _requested(text: str) -> dict[str, Any]:
    """What was requested, from its stored form, with the metadata of then; nobody changes it.

    Raises:
        StoreIncompatible: this release cannot read it.
    """
    return _kept(text) if len(text) <= _LONGEST else _read(text)


def _read(text: str) -> dict[str, Any]:
    request = RunSnapshot.read(text, "request")
    return {**requested(request), "metadata": request.options.metadata}


_kept = lru_cache(maxsize=_KEPT)(_read)
