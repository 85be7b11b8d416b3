"""Every script has one typed Python call, and the call brings what the script's header names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts import texts
from threadmill_shared.store.scripts.files import FileScripts
from threadmill_shared.store.scripts.held_runs import AppendScript, HeldRunScripts
from threadmill_shared.store.scripts.lists import ListScripts, delete_listed
from threadmill_shared.store.scripts.loader import script
from threadmill_shared.store.scripts.parked_runs import ParkedRunScripts
from threadmill_shared.store.scripts.requests import note_delivery
from threadmill_shared.store.scripts.runs import RunScripts
from threadmill_shared.store.scripts.threads import ThreadScripts
from threadmill_shared.store.scripts.workers import WorkerScripts

KEYS = Keys("tm")
RUN_ID = "run_00" + "a" * 30
THREAD_ID = "thread_00" + "a" * 30
FILE_ID = "file-00" + "a" * 26
OF_KEYS = {"idempotency_key", "place", "created", "registered", "deleted", "index", "record"}
OF_KEYS |= {"request", "mark"}
"""Arguments that only a key is made of."""
OF_APPEND = {"run_id": RUN_ID, "token": "token"}
"""What all appends of one holder have in common."""
NAMED_KEYS = {
    "run": KEYS.run(RUN_ID),
    "thread": KEYS.thread(THREAD_ID),
    "idem": KEYS.idempotency(THREAD_ID, "idempotency_key"),
    "alive": KEYS.alive(),
    "lease": KEYS.lease("worker"),
    "tools": KEYS.tools("worker"),
    "state": KEYS.worker_state("worker"),
    "deaths": KEYS.deaths(),
    "indexing": KEYS.indexing(),
    "place": "place",
    "created": "created",
    "registered": "registered",
    "deleted": "deleted",
    "mark": "mark",
    "request": KEYS.request(THREAD_ID, "request"),
    "record": "record",
    "file": KEYS.file(FILE_ID),
    "index": "index",
    "first": "first of restnames",
    "expiring": "first of restexpiring",
    "queued": "first of reststatus:queued",
    "tomb": KEYS.tomb(THREAD_ID),
    "deadlines": KEYS.deadlines("first of rest"),
}
"""What a key of a header is, for the arguments that `values` gives."""
FAMILIES = (
    *(RunScripts, HeldRunScripts, ParkedRunScripts, ThreadScripts, WorkerScripts),
    *(ListScripts, FileScripts),
)


def scripts() -> set[str]:
    folder = resources.files("threadmill_shared.store") / "lua"
    return {file.name.removesuffix(".lua") for file in folder.iterdir() if file.is_file()}


def calls() -> list[tuple[str, Callable[..., Any]]]:
    found: list[tuple[str, Callable[..., Any]]] = [
        ("compare_and_set", texts.compare_and_set),
        ("create_assistant", texts.create_assistant),
        ("delete_listed", delete_listed),
        ("note_delivery", note_delivery),
        ("replace_text", texts.replace_text),
        ("append", AppendScript(KEYS, run_id=RUN_ID, token="token").append),
    ]
    for family in FAMILIES:
        made = family(KEYS)
        names = [name for name, _ in inspect.getmembers(family, inspect.isfunction)]
        found += [(name, getattr(made, name)) for name in names if not name.startswith("_")]
    return found


def values(call: Callable[..., Any]) -> dict[str, Any]:
    """A value for each argument, which no other one has."""
    ids = {"run_id": RUN_ID, "thread_id": THREAD_ID, "file_id": FILE_ID}
    ids |= {"rest": ["first of rest", "second of rest"]}
    given: dict[str, Any] = {}
    for at, (name, parameter) in enumerate(inspect.signature(call).parameters.items()):
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{name} is taken by position"
        kind = str(parameter.annotation)
        made = {"str": name, "bool": True, "float": 0.5}.get(kind, at + 1000)
        given[name] = ids.get(name, made)
    return given


def test_every_script_has_one_call() -> None:
    found = [name for name, _ in calls()]
    assert sorted(found) == sorted(scripts())


@pytest.mark.parametrize(("name", "call"), calls(), ids=[name for name, _ in calls()])
def test_a_call_brings_each_argument_to_its_name_in_the_header(
    name: str, call: Callable[..., Any]
) -> None:
    given, header = values(call), script(name)
    made = call(**given)
    command = getattr(made, "command", made)
    bound = {"bucket": KEYS.bucket(RUN_ID), **(given if name != "append" else OF_APPEND | given)}
    assert list(command) == [
        *("EVALSHA", header.sha, len(header.keys)),
        *(NAMED_KEYS[key] for key in header.keys),
        *(bound[argument] for argument in header.args),
        *given.get("rest", []),
    ]
    assert header.takes_rest == ("rest" in given)
    assert given.keys() - {"rest"} <= set(header.args) | OF_KEYS


@pytest.mark.parametrize("names", [{}, {"run": "a", "thread": "b"}, {"thread": "a"}])
def test_a_call_that_does_not_fit_the_header_is_refused(names: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        script("cancel").call(names, {"bucket": "b", "run_id": "r", "cancel_ms": 1})
