"""Nothing is kept for ever by accident: every key has a TTL, or belongs to something that lives."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.store.contents import Contents, Stored, parts

TERMINAL = frozenset({"cancelled", "failed", "completed", "incomplete", "expired"})


def leaks(contents: Contents) -> list[str]:
    """The keys whose lifetime is not the one that `store/keys.py` promises for them."""
    return [
        f"{key}: {'no TTL' if stored.for_ever else 'a TTL'}, {stored.value}"
        for key, stored in contents.items()
        if not _is_right(contents, key, stored)
    ]


def _is_right(contents: Contents, key: str, stored: Stored) -> bool:
    bucket, kind, name = parts(key)
    rule = _RULES.get(kind)
    if rule is None:
        return False
    return rule(contents, f"{bucket}:", name or key, stored)


def _lives(contents: Contents, bucket: str, run_id: str) -> bool:
    status = contents.hash(f"{bucket}run:{run_id}").get("status")
    return status is not None and status not in TERMINAL


def _as_its_run(contents: Contents, bucket: str, run_id: str, stored: Stored) -> bool:
    return stored.for_ever == _lives(contents, bucket, run_id)


def _as_its_thread(contents: Contents, bucket: str, thread_id: str, stored: Stored) -> bool:
    return stored.for_ever and f"{bucket}thread:{thread_id}" in contents


def _attached(contents: Contents, bucket: str, thread_id: str, stored: Stored) -> bool:
    return stored.for_ever == (f"{bucket}thread:{thread_id}" in contents)


def _line(contents: Contents, bucket: str, thread_id: str, stored: Stored) -> bool:
    is_held = bool(contents.hash(f"{bucket}thread:{thread_id}").get("head"))
    return is_held and _index(contents, bucket, thread_id, stored)


def _index(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return all(_lives(contents, bucket, run_id) for run_id in stored.value)


def _holders(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return all(f"{bucket}held:{worker}" in contents for worker in stored.value)


def _idempotency(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return stored.for_ever == _lives(contents, bucket, stored.value["run"])


def _words_of(contents: Contents, bucket: str, run_id: str) -> list[str]:
    """The lists that a run stands in; of one that is gone, those that it is still to leave."""
    if run := contents.hash(f"{bucket}run:{run_id}"):
        return run.get("listed", "").split()
    expiring = (member.split() for member in contents.scores(f"{bucket}expiring"))
    return next((words[1:] for words in expiring if words[0] == run_id), [])


def _listed(kind: str) -> Callable[[Contents, str, str, Stored], bool]:
    """An index of runs: each says itself that it stands there."""

    def rule(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
        words = (_words_of(contents, bucket, run_id) for run_id in stored.value)
        return stored.for_ever and all(f"{kind}:{name}" in some for some in words)

    return rule


def _all_runs(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return stored.for_ever and all(_words_of(contents, bucket, run_id) for run_id in stored.value)


def _expiring(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    ids = [member.partition(" ")[0] for member in stored.value]
    return stored.for_ever and not any(_lives(contents, bucket, id) for id in ids)


def _of_threads(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return stored.for_ever and all(f"{bucket}thread:{id}" in contents for id in stored.value)


def _tombs(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return stored.for_ever and all(f"{bucket}tomb:{id}" in contents for id in stored.value)


def _file(contents: Contents, bucket: str, file_id: str, stored: Stored) -> bool:
    """One that is whole stays, unless it is to expire; the pieces of others do not."""
    info = stored.value.get(file_id)
    return stored.for_ever == (info is not None and '"expires_at":null' in info)


def _all_files(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return stored.for_ever and all(f"{bucket}file:{id}" in contents for id in stored.value)


def _expires(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return not stored.for_ever


def _stays(contents: Contents, bucket: str, name: str, stored: Stored) -> bool:
    return stored.for_ever


_RULES: dict[str, Callable[[Contents, str, str, Stored], bool]] = {
    "run": _as_its_run,
    "log": _as_its_run,
    "steps": _as_its_run,
    "files": _as_its_run,
    "calls": _as_its_run,
    "thread": _stays,
    "items": _as_its_thread,
    "messages": _as_its_thread,
    "attached": _attached,
    "runs": _as_its_thread,
    "line": _line,
    "idem": _idempotency,
    "tomb": _expires,
    "deleted": _expires,
    "dispatched": _index,
    "unreported": _expires,
    "held": _index,
    "holders": _holders,
    "parked": _index,
    "deadlines": _index,
    "mark": _expires,
    "refused": _expires,
    "request": _expires,
    "all_runs": _all_runs,
    "status": _listed("status"),
    "assistant": _listed("assistant"),
    "error": _listed("error"),
    "expiring": _expiring,
    "active": _of_threads,
    "metadata": _of_threads,
    "indexed": _stays,
    "tombs": _tombs,
    "file": _file,
    "all_files": _all_files,
    "alive": _stays,
    "format": _stays,
    "indexing": _stays,
    "indexer": _expires,
    "lease": _expires,
    "tools": _expires,
    "state": _expires,
    "deaths": _expires,
    "probe": _expires,
    "published": _expires,
    "created": _stays,
    "names": _stays,
    "since": _stays,
    "registered": _stays,
}
