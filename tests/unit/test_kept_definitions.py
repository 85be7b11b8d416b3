"""What is kept of an assistant is what would be made of it now, whatever was changed meanwhile."""

from __future__ import annotations

import copy
import gc
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill import Assistant, CodeInterpreter, FileSearch, WebSearch, tool
from threadmill.runs.definitions import keep_definition
from threadmill.runs.tool_list import read_tools
from threadmill_shared import run_request
from threadmill_shared.errors import BadTool
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.records import definition as definitions
from threadmill_shared.records.definition import Definition, RunSnapshot
from threadmill_shared.records.fingerprints import MOST_BYTES, fingerprint, restored
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.store import runs

SETTINGS = Settings(redis_url=None)


class Gloomy(Assistant):
    """A subclass with a field that may be changed in place."""

    moods: list[Any] = []  # noqa: RUF012  pydantic copies it
    depth: float = 1


class Shouting(Assistant):
    """A subclass with a definition of its own."""

    def definition(self) -> Definition:
        return super().definition().model_copy(update={"description": self.name.upper()})


def make_function(kind: type = int) -> Callable[..., Any]:
    """A function as it is after its module was loaded again: of the same name, or changed."""

    def look(word: Any) -> Any:
        """Look a word up."""
        return word

    look.__annotations__ = {"word": kind, "return": kind}
    look.__qualname__ = "look"
    return look


numbers = st.one_of(st.integers(0, 2), st.booleans(), st.sampled_from([0.0, 1.0, 2.0]))
values = st.recursive(
    st.one_of(numbers, st.none(), st.sampled_from(["", "a", "é", "\u2028"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=4,
)
schemas = st.dictionaries(st.sampled_from("pqr"), st.sampled_from(["string", "number"]), max_size=2)
tools = st.one_of(
    st.builds(make_function, st.sampled_from([int, str])),
    st.builds(lambda kind: tool(make_function(kind)), st.sampled_from([int, str])),
    st.builds(
        lambda kind, seconds: tool(make_function(kind), timeout=seconds),
        *(st.sampled_from([int, str]), st.sampled_from([1, 2])),
    ),
    st.builds(
        lambda given: {
            "type": "function",
            "function": {
                "name": "outside",
                "parameters": {
                    "type": "object",
                    "properties": {name: {"type": type_} for name, type_ in given.items()},
                },
            },
        },
        schemas,
    ),
    st.sampled_from([CodeInterpreter, WebSearch, {"type": "file_search"}]),
    st.builds(lambda size: FileSearch(filters={"size": size}), values),
)

Change = Callable[[Any], None]


def assign(name: str, given: st.SearchStrategy[Any]) -> st.SearchStrategy[Change]:
    return st.builds(lambda value: lambda ai: setattr(ai, name, value), given)


def place(name: str, given: st.SearchStrategy[Any]) -> st.SearchStrategy[Change]:
    """Change a dict of the assistant in place, as deep in it as there are dicts."""

    def change(ai: Any, key: str, value: Any, *, is_deep: bool) -> None:
        found = getattr(ai, name)
        if isinstance(found, dict):
            inner = next((one for one in found.values() if isinstance(one, dict)), found)
            (inner if is_deep else found)[key] = value

    return st.builds(
        lambda key, value, is_deep: lambda ai: change(ai, key, value, is_deep=is_deep),
        *(st.sampled_from("abc"), given, st.booleans()),
    )


def change_tool(ai: Any) -> None:
    for one in ai.tools:
        if isinstance(one, dict) and "function" in one:
            properties = one["function"]["parameters"]["properties"]
            properties["p"] = {"type": "string" if properties.get("p") else "number"}


texts = st.sampled_from(["", "a", "Be {{ self_.name }}.", "x" * (MOST_BYTES + 1)])
extra = st.dictionaries(st.sampled_from("abc"), values, max_size=2)
changes = st.one_of(
    assign("name", st.sampled_from(["Ada", "Bob"])),
    assign("id", st.sampled_from([None, "asst_1"])),
    assign("_version", st.sampled_from([None, 1, 2])),
    assign("description", st.sampled_from([None, "gloomy"])),
    assign("instructions", texts),
    assign("model", st.sampled_from([None, "a", "b"])),
    assign("tools", st.lists(tools, max_size=2)),
    st.builds(lambda one: lambda ai: ai.tools.append(one), tools),
    st.just(change_tool),
    st.just(lambda ai: ai.tools.clear()),
    assign("metadata", st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))),
    place("metadata", st.sampled_from("xy")),
    assign("extra_body", st.one_of(st.none(), extra)),
    place("extra_body", values),
    assign("temperature", st.sampled_from([None, 0, 1, 1.0, 0.5])),
    assign("queue", st.sampled_from([None, "slow"])),
    assign("tool_choice", st.sampled_from([None, "auto", "look"])),
    assign("moods", st.lists(values, max_size=2)),
    st.builds(lambda value: lambda ai: ai.moods.append(value), values),
)
options = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"extra_body": extra}),
    st.fixed_dictionaries({"temperature": st.sampled_from([0, 1, 1.0, 5, "hot", True])}),
    st.fixed_dictionaries({"metadata": st.dictionaries(st.just("a"), st.sampled_from("xy"))}),
    st.just({"colour": "red"}),
)


@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from([Gloomy, Shouting]), changed=st.lists(changes, max_size=8), run=options)
def test_it_is_what_a_fresh_computation_gives(kind: Any, changed: list[Change], run: Any) -> None:
    ai = kind(name="Ada")
    for change in [lambda _: None, *changed]:
        try:
            change(ai)
        except (ValueError, AttributeError):  # not a field, or refused
            continue
        assert outcome(kept_json, ai, run) == outcome(fresh_json, ai, run)


def outcome(make: Callable[..., Any], ai: Assistant, run: Any) -> Any:
    """What it gives, or which error is raised."""
    try:
        return make(ai, run)
    except (ValueError, TypeError) as error:
        return type(error), str(error)


def kept_json(ai: Assistant, run: dict[str, Any]) -> tuple[str, str, str]:
    offered = read_tools(ai.tools)
    definition = ai.__define__(ai.tools, offered, ai.model or SETTINGS.model)
    command = enqueue_command(request(ai, definition, run), SETTINGS)
    fields = runs._run_fields(command)
    stored = fields[fields.index("request") + 1]
    assert isinstance(stored, str)
    return definition.model_dump_json(), json.dumps(json.loads(stored)), command.content_digest


def fresh_json(ai: Assistant, run: dict[str, Any]) -> tuple[str, str, str]:
    definition = ai.definition().model_copy(update={"model": ai.model or SETTINGS.model})
    asked = request(ai, definition, run)
    snapshot = fresh_snapshot(asked)
    digest = run_request._digest(asked, snapshot)
    return definition.model_dump_json(), json.dumps(stored_fields(snapshot)), digest


def stored_fields(snapshot: RunSnapshot) -> dict[str, Any]:
    """What of a snapshot is stored: not what is empty, unless that means something."""
    whole = json.loads(snapshot.model_dump_json())
    options = {name: value for name, value in whole["options"].items() if value is not None}
    if not options["metadata"]:
        del options["metadata"]
    return {
        name: value
        for name, value in (whole | {"options": options}).items()
        if value not in (None, [])
    }


def request(ai: Assistant, definition: Definition, run: dict[str, Any]) -> RunRequest:
    options = copy.deepcopy(run)
    return RunRequest(definition, "Hello!", self_=ai, options=options, idempotency_key="monday")


def fresh_snapshot(asked: RunRequest) -> RunSnapshot:
    run_request._check(asked, SETTINGS)
    return run_request._new_snapshot(
        *(asked.definition, run_request._instructions(asked), asked.options),
        *(asked.local_tools, asked.result, SETTINGS.max_turns),
    )


@pytest.fixture
def ai() -> Iterator[Assistant]:
    yield Assistant(name="Ada", tools=[make_function()], extra_body={"a": {"b": 1}})
    gc.collect()


def define(ai: Assistant) -> Definition:
    return ai.__define__(ai.tools, read_tools(ai.tools), "a")


def test_it_is_made_once_for_all_assistants_that_are_alike(ai: Assistant) -> None:
    one = define(ai)
    assert define(ai) is one
    assert define(Assistant(name="Ada", tools=ai.tools, extra_body={"a": {"b": 1}})) is one
    asked = request(ai, one, {})
    snapshots = [enqueue_command(asked, SETTINGS).request for _ in range(2)]
    assert snapshots[0] is snapshots[1]
    assert enqueue_command(replace(asked, instructions="Sing."), SETTINGS).request != snapshots[0]


def test_nobody_has_the_dicts_of_what_is_kept(ai: Assistant) -> None:
    one, given = define(ai), {"extra_body": {"a": {"b": 2}}}
    snapshot = enqueue_command(RunRequest(one, "Hello!", options=given), SETTINGS).request
    assert ai.extra_body is not None
    ai.extra_body["a"]["b"] = given["extra_body"]["a"]["b"] = 3
    assert one.extra_body == {"a": {"b": 1}}
    assert snapshot.options.extra_body == {"a": {"b": 2}}


def test_what_users_get_is_their_own(ai: Assistant) -> None:
    kept, theirs = define(ai), ai.definition()
    theirs.metadata["a"] = "changed"
    assert theirs is not kept
    assert define(ai).metadata == ai.definition().metadata == {}


def test_a_schema_that_is_changed_in_place_is_stored_as_it_is(ai: Assistant) -> None:
    loaded = read_tools([outside("before"), tool(make_function())]).specs
    ai.tools = list(loaded)
    assert "before" in kept_json(ai, {})[1]
    for one in loaded:
        one.parameters["properties"]["word"] = {"type": "string", "description": "after"}
    stored = kept_json(ai, {})[1]
    assert (stored.count("after"), stored.count("before")) == (2, 0)


def outside(description: str) -> dict[str, Any]:
    """A tool without a function."""
    properties = {"word": {"type": "string", "description": description}}
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": "outside", "parameters": parameters}}


def test_a_schema_that_users_change_is_their_own() -> None:
    theirs, others = (Assistant(name="Ada", tools=[outside("kept")]) for _ in range(2))
    theirs.definition().tools[0].parameters["properties"]["word"]["description"] = "changed"
    assert "changed" not in kept_json(others, {})[1]


@pytest.mark.parametrize("depth", [900, 1500, 1990, 5000])
def test_what_is_too_deep_is_refused_in_words(depth: int) -> None:
    deep: Any = "a"
    for _ in range(depth):
        deep = [deep]
    definition = Assistant(name="Ada").definition()
    schema = {"name": "a", "schema": {"type": "object", "default": deep}}
    for options in (
        {"extra_body": {"a": deep}},
        {"response_format": {"type": "json_schema", "json_schema": schema}},
        {"metadata": {"a": deep}},
    ):
        with pytest.raises(run_request.OptionError):
            enqueue_command(RunRequest(definition, "Hello!", options=options), SETTINGS)
    parameters = {"type": "object", "properties": {"word": {"enum": deep}}}
    with pytest.raises(BadTool):
        read_tools([{"type": "function", "name": "a", "parameters": parameters}])


def test_threads_that_change_it_in_turns_get_what_they_see(ai: Assistant) -> None:
    wrong = []

    def enqueue(number: int) -> None:
        own = ai.model_copy(update={"name": f"Ada {number}", "extra_body": {"a": {"b": number}}})
        for _ in range(200):
            found = define(own)
            if (found.name, found.extra_body) != (own.name, own.extra_body):
                wrong.append(number)

    threads = [threading.Thread(target=enqueue, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "other",
    [b"a", bytearray(b"a"), memoryview(b"a"), {1, 2}, object(), MappingProxyType({}), 1j, range(3)],
)
def test_what_is_not_plain_is_not_kept(other: Any) -> None:
    for data in ({"a": other}, {"a": [{"b": (other,)}]}):
        found = fingerprint(data)
        assert found is None or restored(found) is None
    fields = {"id": "asst_1", "name": "Ada", "model": "a", "response_format": {"a": other}}
    one, two = (keep_definition(fields, (), ()) for _ in range(2))
    assert one is not two
    assert one.response_format == two.response_format == {"a": other}


@given(one=values, other=values)
def test_fingerprints_are_equal_if_the_json_is(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (repr(one) == repr(other))
    assert repr(restored(fingerprint(one) or b"")) == repr(one)


def test_what_is_large_is_not_kept() -> None:
    assert fingerprint(["x" * MOST_BYTES]) is None


def test_what_has_large_instructions_is_not_kept() -> None:
    large = Assistant(name="Ada", instructions="x" * (MOST_BYTES + 1))
    assert define(large) is not define(large)
    asked = request(large, define(large), {})
    snapshots = [enqueue_command(asked, SETTINGS) for _ in range(2)]
    assert snapshots[0].request is not snapshots[1].request
    before = definitions._kept_json.cache_info()
    assert runs._run_fields(snapshots[0])
    assert definitions._kept_json.cache_info() == before


def test_an_own_tool_that_is_invalid_is_refused_if_the_run_has_others() -> None:
    ai = Assistant(name="Ada", tools=[3])
    with pytest.raises(ValueError, match="cannot be a tool"):
        ai.__define__([], read_tools([]), "a")
    ai.tools = [CodeInterpreter, CodeInterpreter]
    with pytest.raises(ValueError, match="given twice"):
        ai.__define__([], read_tools([]), "a")
    assert hosted_tools([], {}) == ()
