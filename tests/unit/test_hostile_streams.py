"""Whatever a provider sends ends in a turn or in an error of ours, and can be stored and sent.

So can what was stored by releases that looked at less of it.
"""

import copy
import json
from dataclasses import asdict, fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile_streams import (
    CODE,
    REASONING,
    SEARCH,
    VALUES,
    hostile_streams,
    is_readable,
)
from tests.support.stream_reading import read_stream

from threadmill_shared.model import (
    HostedCallEnded,
    ModelRequest,
    ReasoningReceived,
    ToolCalled,
    TurnEnded,
)
from threadmill_shared.records import lenient
from threadmill_shared.records.objects import Step
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.request_parts import sent_texts
from threadmill_workers.models.responses_request import responses_body

BODIES = {"responses": responses_body, "chat": chat_body}
EXAMPLES = 400


def is_whole_number_too_large(value):
    return isinstance(value, int) and value not in range(-(2**63), 2**63)


def check_storable(value):
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert depth_of(value) <= lenient.MAX_DEPTH + 2
    assert not any(is_whole_number_too_large(one) for one in scalars(value))


def depth_of(value):
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inner), default=0) if isinstance(value, dict | list) else 0


def scalars(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from scalars(one)
    else:
        yield value


def check_texts(event):
    """Fields that are texts are texts; the types of the others are checked by what reads them."""
    for field in fields(event):
        value = getattr(event, field.name)
        if field.type == "str":
            assert isinstance(value, str)
        elif field.type == "int":
            assert isinstance(value, int)
        elif is_dataclass(value):
            check_texts(value)


def items_of(events):
    """What a thread keeps of such a turn and is sent to the model again."""
    for number, event in enumerate(events):
        match event:
            case ToolCalled(name, arguments, id):
                call = {"type": "tool_call", "id": f"call_{number}", "provider_id": id}
                yield call | {"name": name, "arguments": arguments, "run_id": "run_1"}
            case ReasoningReceived(data):
                yield {"type": "reasoning", "model": "m", "data": data, "run_id": "run_1"}
            case HostedCallEnded(kind, data):
                yield {"type": "hosted_call", "kind": kind, "data": data, "run_id": "run_1"}


def request(items):
    return ModelRequest(model="m", instructions="Be kind.", items=list(items))


def arguments_in(body):
    calls = [one["function"] for m in body.get("messages", ()) for one in m.get("tool_calls") or ()]
    return calls + [one for one in body.get("input", ()) if one["type"] == "function_call"]


def check_sendable(api, items):
    body = BODIES[api](request(items))
    json.dumps(body, allow_nan=False).encode()
    for call in arguments_in(body):
        assert isinstance(json.loads(call["arguments"], parse_constant=pytest.fail), dict)
        assert call["name"].isascii()
        assert 0 < len(call["name"]) <= 64
    assert all(isinstance(text, str) for text in sent_texts(request(items)))


@pytest.mark.parametrize("api", ["responses", "chat"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_whatever_a_stream_holds_becomes_a_turn_or_an_error_of_ours(api, data):
    events, error = read_stream(api, data.draw(hostile_streams(api)))
    assert error is not None or isinstance(events[-1], TurnEnded)
    assert error is None or str(error)
    for event in events:
        check_storable(asdict(event))
        check_texts(event)
    check_sendable(api, items_of(events))


# ---- what was stored before ----------------------------------------------------------------------

CALL = {"id": "call_1", "provider_id": "c1", "run_id": "run_1"}
STORED = [
    {"type": "tool_call", "name": "length", "arguments": "{}", **CALL},
    {"type": "tool_output", "call_id": "call_1", "output": "4", "failed": False, **CALL},
    {"type": "reasoning", "model": "m", "run_id": "run_1", "data": REASONING},
    {"type": "hosted_call", "kind": "code_interpreter", "run_id": "run_1", "data": CODE},
    {"type": "hosted_call", "kind": "file_search", "run_id": "run_1", "data": SEARCH},
    {"type": "note", "text": "Once more.", "run_id": "run_1"},
]
READABLE = [value for value in VALUES if is_readable(value)]


@st.composite
def stored_items(draw):
    """One of these items with values of its own, or of its data, replaced."""
    item = copy.deepcopy(draw(st.sampled_from(STORED)))
    for _ in range(draw(st.integers(1, 3))):
        holder = draw(st.sampled_from([item, item.get("data")]))
        holder = holder if isinstance(holder, dict) else item
        names = [name for name in holder if holder is not item or name not in ("type", "data")]
        if names:
            holder[draw(st.sampled_from(names))] = draw(st.sampled_from(READABLE))
    if "data" in item and draw(st.integers(0, 9)) == 0:
        item["data"] = draw(st.sampled_from(READABLE))
    return item


@pytest.mark.parametrize("api", ["responses", "chat"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(items=st.lists(stored_items(), min_size=1, max_size=4))
def test_whatever_is_stored_of_a_turn_can_be_sent(api, items):
    check_sendable(api, items)


def bodies_of_steps():
    values = st.sampled_from(READABLE)
    call = st.tuples(st.just("call_1"), values, values, st.just("4")).map(list)
    code = st.fixed_dictionaries({}, optional={"input": values, "outputs": values})
    search = st.fixed_dictionaries({}, optional={"queries": values, "results": values})
    usage = st.fixed_dictionaries({"prompt_tokens": values, "total_tokens": values})
    hosted = st.one_of(
        code.map(lambda told: ["call_1", "code_interpreter", told]),
        search.map(lambda told: ["call_1", "file_search", told]),
    )
    made = st.one_of(
        st.fixed_dictionaries({"calls": st.lists(call), "failed": st.just([]), "usage": usage}),
        st.fixed_dictionaries({"hosted": hosted, "usage": usage}),
    )
    return made.map(lambda body: {"type": "tool_calls", **body})


@settings(max_examples=EXAMPLES, deadline=None)
@given(body=bodies_of_steps())
def test_whatever_is_stored_of_a_step_can_be_read(body):
    fields = {"0": json.dumps(body), "0:began": "1000", "0:ended": "completed 2000"}
    [step] = Step.read_all("run_1", fields)
    assert step.usage.prompt_tokens >= 0
    for call in step.tool_calls:
        assert isinstance(call.arguments, str)
