"""What two releases read of each other while both share a store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from threadmill.transfer.lines import AssistantLine, read_line
from threadmill.transfer.objects import assistant
from threadmill_shared import errors
from threadmill_shared.events.decoder import LogDecoder
from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch
from threadmill_shared.records.changes import content_digest
from threadmill_shared.records.definition import (
    Definition,
    RunOptions,
    RunSnapshot,
    snapshot_json,
)
from threadmill_shared.records.log import LogEntry, read_record
from threadmill_shared.records.objects import Message, Step
from threadmill_shared.records.run import RunRecord
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.stored import Stored, later_field
from threadmill_shared.tools import ToolSpec

ROLL = ToolSpec(name="roll", parameters={"type": "object"}, identity="dice:roll", digest="d1")
HOSTED = (CodeInterpreter(file_ids=("file_1",)), FileSearch(vector_store_ids=("vs_1",)))
ADA = Definition(id="asst_1", name="Ada", model="m", tools=(ROLL,), hosted=HOSTED)
REQUEST = RunSnapshot(assistant_id="asst_1", assistant_name="Ada", model="m", instructions="Hi.")

FIRST_FORMAT: dict[type[Stored], str] = {
    Definition: "id version name description instructions model tools hosted metadata "
    "response_format queue fields",
    RunOptions: "tool_choice temperature top_p max_completion_tokens parallel_tool_calls "
    "response_format truncation_strategy metadata",
    RunSnapshot: "assistant_id assistant_name assistant_version model instructions tools "
    "local_tools hosted options result max_turns",
    ToolSpec: "name description parameters identity digest timeout on_interrupt needs_approval",
    CodeInterpreter: "type file_ids container memory_limit network_policy",
    FileSearch: "type vector_store_ids max_num_results filters ranking_options",
}
"""What the first release writes, set or not, and therefore every later one."""

UNSET_OPTIONS = {
    *("tool_choice", "top_p", "max_completion_tokens", "response_format", "truncation_strategy"),
    *("max_prompt_tokens", "reasoning_effort", "verbosity", "service_tier", "safety_identifier"),
}

BARE: dict[type[Stored], Stored] = {
    Definition: Definition(id="asst_1", name="Ada", model="m"),
    RunOptions: RunOptions(),
    RunSnapshot: REQUEST,
    ToolSpec: ROLL,
    CodeInterpreter: CodeInterpreter(),
    FileSearch: FileSearch(),
}


def test_of_a_snapshot_what_is_empty_is_not_stored_and_is_read_as_it_was() -> None:
    options = RunOptions(
        temperature=0, parallel_tool_calls=False, metadata={"a": ""}, extra_body={}
    )
    whole = RunSnapshot(
        **{name: getattr(REQUEST, name) for name in ("assistant_id", "assistant_name", "model")},
        instructions="",
        assistant_version=0,
        tools=(ROLL,),
        local_tools=("roll",),
        hosted=HOSTED,
        options=options,
        result="whole",
        max_turns=1,
    )
    later = RunSnapshot.read(
        '{"assistant_id":"a","assistant_name":"A","model":"m","instructions":"","of_later":null,'
        '"options":{"of_later":[]}}',
        "it",
    )
    assert snapshot_json(whole) == whole.model_dump_json(exclude={"options": UNSET_OPTIONS})
    assert json.loads(snapshot_json(REQUEST)) == {
        "assistant_id": "asst_1",
        "assistant_name": "Ada",
        "model": "m",
        "instructions": "Hi.",
        "options": {},
        "max_turns": 50,
    }
    for one in (whole, REQUEST, later):
        assert RunSnapshot.read(snapshot_json(one), "it") == one
    assert json.loads(snapshot_json(later))["of_later"] is None


class LaterOptions(RunOptions):
    """The options as a later release may have them."""

    effort: str | None = later_field()
    shares: tuple[str, ...] = later_field(())


class LaterSpec(ToolSpec):
    """A tool as a later release may have it."""

    signed_by: str | None = later_field()


@pytest.mark.parametrize("model", FIRST_FORMAT, ids=lambda model: model.__name__)
def test_what_is_not_set_is_written_only_if_the_first_release_wrote_it(
    model: type[Stored],
) -> None:
    written = json.loads(BARE[model].model_dump_json())
    assert list(written) == FIRST_FORMAT[model].split(), (
        "declare a new field by later_field: an older release refuses to read it, and compares "
        "what is stored with all that it writes itself"
    )


def test_a_later_field_is_written_and_put_into_digests_only_if_it_is_set() -> None:
    plain, later = RunOptions(temperature=1), LaterOptions(temperature=1)
    assert later.model_dump_json() == plain.model_dump_json()
    assert content_digest(later.model_dump()) == content_digest(plain.model_dump())
    set_ = LaterOptions(temperature=1, effort="high", shares=("a",))
    assert json.loads(set_.model_dump_json())["effort"] == "high"
    assert content_digest(set_.model_dump()) != content_digest(plain.model_dump())


def with_unknown(value: Any) -> Any:
    """The same JSON with a field more in every object that is one of ours."""
    if isinstance(value, dict):
        known = {name: with_unknown(one) for name, one in value.items()}
        return known | {"of_a_later_release": [1]}
    return [with_unknown(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("model", FIRST_FORMAT, ids=lambda model: model.__name__)
def test_what_is_unknown_in_the_store_is_kept_and_written_again(model: type[Stored]) -> None:
    stored = json.loads(BARE[model].model_dump_json()) | {"of_a_later_release": {"a": 1}}
    found = model.read(json.dumps(stored), "it")
    assert json.loads(found.model_dump_json()) == stored
    assert found.known() == json.loads(BARE[model].model_dump_json())


def test_it_is_kept_however_deep_it_lies() -> None:
    stored = ADA.model_dump(mode="json")
    stored["tools"] = with_unknown(stored["tools"])
    stored["hosted"] = with_unknown(stored["hosted"])
    found = Definition.read(json.dumps(stored), "it")
    assert found.model_dump(mode="json") == stored
    assert found.known()["hosted"] == ADA.model_dump(mode="json")["hosted"]


def test_a_run_is_given_a_tool_as_whole_as_it_was_read() -> None:
    later = LaterSpec(**ROLL.model_dump(), signed_by="a manager")
    stored = json.dumps(ADA.model_dump(mode="json") | {"tools": [later.model_dump()]})
    request = enqueue_command(
        RunRequest(Definition.read(stored, "it"), "hello"), Settings()
    ).request
    [spec] = json.loads(request.model_dump_json())["tools"]
    assert spec["signed_by"] == "a manager"


@pytest.mark.parametrize("model", FIRST_FORMAT, ids=lambda model: model.__name__)
def test_what_a_caller_gives_is_refused_as_ever_if_it_is_unknown(model: type[Stored]) -> None:
    fields = BARE[model].model_dump()
    with pytest.raises(ValueError, match="of_a_later_release"):
        model(**fields, of_a_later_release=1)
    with pytest.raises(ValueError, match="of_a_later_release"):
        model.model_validate(fields | {"of_a_later_release": 1})


def test_a_mistyped_option_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match="Did you mean 'temperature'"):
        enqueue_command(RunRequest(ADA, "hello", options={"temprature": 1}), Settings())


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", ""),
        ("[]", ""),
        ('{"id": "asst_1", "name": "Ada"}', "model"),
        ('{"id": "1", "name": "a", "model": "m", "metadata": {"secret": 7}}', "metadata"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do_and_without_its_words(
    text: str, field: str
) -> None:
    with pytest.raises(errors.StoreIncompatible, match="Upgrade the workers first") as caught:
        Definition.read(text, "The definition of 'Ada'")
    assert field in str(caught.value)
    assert "secret" not in str(caught.value)


# ---- a run's record ----------------------------------------------------------------------------


def fields(**changed: str) -> dict[str, str]:
    return {
        "thread_id": "thread_1",
        "status": "queued",
        "queue": "tm",
        "request": REQUEST.model_dump_json(),
        "context": '{"tenant": "acme"}',
    } | changed


def test_a_record_with_fields_of_a_later_release_is_read() -> None:
    later = REQUEST.model_dump(mode="json") | {"options": LaterOptions(effort="high").model_dump()}
    record = RunRecord.read("run_1", fields(request=json.dumps(later), priority="7"))
    record.refuse_unreadable()
    assert record.request.options.model_extra == {"effort": "high"}
    assert record.context == {"tenant": "acme"}


@pytest.mark.parametrize(
    "broken",
    [
        {"request": "{"},
        {"request": "{}"},
        {"request": '{"assistant_id": 7}'},
        {"request": ""},
        {"context": "tenant: acme"},
        {"context": '["acme"]'},
        {"usage": "7"},
        {"last_error": "{"},
        {"message": "{"},
    ],
    ids=str,
)
def test_a_record_that_is_damaged_can_be_ended_and_not_executed(broken: dict[str, str]) -> None:
    record = RunRecord.read("run_1", fields(**broken))
    assert (record.status, record.thread_id) == ("queued", "thread_1")
    with pytest.raises(errors.StoreIncompatible, match=f"run_1 .*{next(iter(broken))}") as caught:
        record.refuse_unreadable()
    assert "acme" not in str(caught.value)


def test_a_status_of_a_later_release_is_an_error_of_ours() -> None:
    with pytest.raises(errors.StoreIncompatible, match=r"run_1 .*status"):
        RunRecord.read("run_1", fields(status="postponed"))


def test_an_event_of_a_later_release_is_an_error_of_ours() -> None:
    reader = LogDecoder(RunRecord.read("run_1", fields()))
    with pytest.raises(errors.StoreIncompatible, match=r"The log of run_1 .*\(zz\)"):
        list(reader.events(LogEntry(1, [read_record(["zz", "a secret"])], 1000, 1000)))


# ---- what users read ---------------------------------------------------------------------------


PART = {"type": "text", "text": {"value": "Hi.", "annotations": [], "tone": "kind"}, "seen": 1}
ITEM: Any = {
    "type": "message",
    "id": "msg_1",
    "role": "user",
    "content": [PART],
    "status": "completed",
    "run_id": None,
    "assistant_id": None,
    "assistant_name": None,
    "metadata": {},
    "priority": 7,
}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cached_tokens": 1}
BODY = {"type": "message_creation", "message": 0, "usage": USAGE, "priority": 7}


def step(body: dict[str, Any]) -> Step:
    [found] = Step.read_all("run_1", {"0": json.dumps(body), "0:began": "1000"})
    return found


def test_messages_and_steps_of_a_later_release_are_shown_without_what_is_new() -> None:
    assert Message.read("thread_1", ITEM, 1000).text == "Hi."
    usage = step(BODY).usage
    assert usage is not None
    assert usage.total_tokens == 2


def test_what_cannot_be_shown_is_an_error_of_ours_that_quotes_nothing() -> None:
    with pytest.raises(errors.StoreIncompatible, match=r"step_\w+ .*type") as caught:
        step(BODY | {"type": "a secret"})
    assert "secret" not in str(caught.value)


def test_an_export_of_what_a_later_release_has_stored_comes_in_again() -> None:
    stored = ADA.model_dump(mode="json") | {"guard": "strict"}
    exported = assistant(Definition.read(json.dumps(stored), "it"))
    line = read_line(json.dumps(exported).encode())
    assert isinstance(line, AssistantLine)
    assert line.definition().model_dump(mode="json") == stored
