"""Results of a type: the model's last message is checked by the worker and read by any process."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tests.acceptance.conftest import Lasting
from tests.support.processes.worker import Workers
from tests.support.provider_requests import said_to
from tests.support.waiting import wait_until
from typing_extensions import TypedDict

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import Fault, StandIn, scripted


class Place(BaseModel):
    town: str
    founded: date
    people: int = Field(ge=0)


class Node(BaseModel):
    name: str
    children: list[Node] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Pair(TypedDict):
    left: str
    right: str


PAIR: Pair = {"left": "a", "right": "b"}
PLACE = '{"town": "Bonn", "founded": "1989-11-09", "people": 3}'


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("bot")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def ask(result_type: Any, thread: Thread | None = None, **options: Any) -> Run:
    return Assistant(name="asked").say(
        "Well?",
        thread=thread or Thread(),
        event_handler_class=None,
        timeout=30,
        result_type=result_type,
        **options,
    )


def schema_sent(standin: StandIn) -> dict[str, Any]:
    body = standin.requests[-1].body
    asked = body["text"]["format"] if "text" in body else body["response_format"]["json_schema"]
    assert asked["strict"] is False
    schema: dict[str, Any] = asked["schema"]
    return schema


def test_the_result_is_an_object_of_the_type(standin: StandIn) -> None:
    standin.brain = scripted(PLACE)
    run = ask(Place)
    assert run.result == Place(town="Bonn", founded=date(1989, 11, 9), people=3)
    assert schema_sent(standin)["required"] == ["town", "founded", "people"]


@pytest.mark.parametrize(
    ("result_type", "said", "result"),
    [
        (int, {"result": 5}, 5),
        (list[int], {"result": [1, 2]}, [1, 2]),
        (Place | None, {"result": None}, None),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Point, {"x": 1, "y": 2}, Point(1, 2)),
        (Pair, {"left": "a", "right": "b"}, {"left": "a", "right": "b"}),
        (
            Node,
            {"result": {"name": "a", "children": [{"name": "b"}]}},
            Node(name="a", children=[Node(name="b")]),
        ),
        (tuple[int, Pair], {"result": [1, {"left": "a", "right": "b"}]}, (1, PAIR)),
        (list[Place], {"result": [json.loads(PLACE)]}, [Place.model_validate_json(PLACE)]),
    ],
    ids=str,
)
def test_it_is_of_whatever_type_pydantic_reads(
    standin: StandIn, result_type: Any, said: Any, result: Any
) -> None:
    standin.brain = scripted(json.dumps(said))
    assert ask(result_type).result == result
    schema = schema_sent(standin)
    assert schema["type"] == "object"  # providers take nothing else at the top


def test_from_another_process_it_is_json_data_or_of_the_type_that_it_is_asked_for(
    standin: StandIn,
) -> None:
    standin.brain = scripted(PLACE, '{"result": [1, 2]}')
    place, numbers = Run.load(ask(Place).id), Run.load(ask(list[int]).id)
    assert place.result == json.loads(PLACE)
    assert place.result_as(Place) == Place.model_validate_json(PLACE)
    assert (numbers.result, numbers.result_as(tuple[int, int])) == ([1, 2], (1, 2))
    with pytest.raises(errors.ResultInvalid, match="another type"):
        place.result_as(Point)


def test_a_handle_that_was_made_from_ids_has_the_result_once_it_has_waited(
    standin: StandIn,
) -> None:
    standin.brain = scripted(PLACE)
    asked = ask(Place)
    run = Run(asked.id, asked.thread_id)
    assert run.result is None
    run.wait(20)
    assert run.result == json.loads(PLACE)
    assert run.result_as(Place) == asked.result


def test_enqueue_and_a_threads_run_take_it_too(standin: StandIn) -> None:
    standin.brain = scripted('{"result": 1}', '{"result": 2}', '{"result": 3}')
    ai, thread = Assistant(name="asked"), Thread()
    assert ai.enqueue("Well?", thread, result_type=int).wait(20).result == 1
    assert thread.run(ai, result_type=int).result == 2
    assert thread.enqueue(ai, result_type=int).wait(20).result == 3


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("I think it is Bonn.", "not JSON"),
        ('{"town": "Bonn", "founded": "1989-11-09"}', "$: 'people' is a required property"),
        (PLACE.replace("3", "-3"), "$.people: -3 is less than the minimum of 0"),
    ],
)
def test_the_model_is_told_what_is_wrong_and_asked_again(
    standin: StandIn, wrong: str, complaint: str
) -> None:
    standin.brain = scripted(wrong, PLACE)
    thread = Thread()
    run = ask(Place, thread)
    assert run.result.town == "Bonn"
    assert complaint in said_to(standin.requests[-1])[-1]
    # What the model was told is nobody's message.
    assert [message.text for message in thread.get_messages()] == ["Well?", wrong, PLACE]
    told = [event for event in run.events() if event.event == "threadmill.result.invalid"]
    assert [complaint in event.data["error"] for event in told] == [True]


def test_of_a_tuple_each_position_is_checked(standin: StandIn) -> None:
    standin.brain = scripted('{"result": ["a", 1]}', '{"result": [1, "a"]}')
    assert ask(tuple[int, str]).result == (1, "a")
    assert "$.result[0]: 'a' is not of type 'integer'" in said_to(standin.requests[-1])[-1]
    assert "prefixItems" not in str(standin.requests[-1].body)


def test_after_two_objections_the_run_fails_and_says_what_was_wrong(standin: StandIn) -> None:
    standin.brain = scripted("one", "two", "three", "four")
    thread = Thread()
    with pytest.raises(errors.RunFailed, match="not JSON") as failed:
        ask(Place, thread)
    run = failed.value.run
    assert (run.status, run.last_error.name) == ("failed", "ResultInvalid")
    assert (len(standin.requests), run.result) == (3, None)
    assert [message.text for message in run.messages] == ["Well?", "one", "two", "three"]
    assert all(message.status == "completed" for message in run.messages)
    with pytest.raises(errors.ResultInvalid, match="it is failed"):
        run.result_as(Place)


class Nest(BaseModel):
    inner: Nest | list[Nest] | None = None


DEEP_NEST = '{"inner": ' * 190 + "null" + "}" * 190
MULTIPLE = Annotated[float, Field(multiple_of=0.5)]


def test_a_result_that_was_deleted_is_not_replaced_by_an_earlier_answer(standin: StandIn) -> None:
    standin.brain = scripted("not a number", json.dumps({"result": 7}))
    thread = Thread()
    run = ask(int, thread)
    assert run.result == 7
    thread.delete_message(thread.get_messages()[-1].id)

    again = Run.load(run.id)
    assert [message.text for message in again.messages] == ["Well?", "not a number"]
    assert again.result is None
    with pytest.raises(errors.ResultInvalid, match="has no result"):
        again.result_as(int)


@pytest.mark.parametrize(
    ("result_type", "wrong", "right"),
    [
        (Nest, f'{{"result": {DEEP_NEST}}}', '{"result": {"inner": null}}'),
        (Nest, '{"result": ' + "[" * 20_000, '{"result": {"inner": null}}'),
        (MULTIPLE, '{"result": ' + "9" * 400 + "}", '{"result": 1.5}'),
        (MULTIPLE, '{"result": NaN}', '{"result": 1.5}'),
    ],
    ids=["deep and valid", "brackets", "a long number", "no number"],
)
def test_of_a_result_that_cannot_be_checked_the_model_is_told_so(
    standin: StandIn, result_type: Any, wrong: str, right: str
) -> None:
    standin.brain = scripted(wrong, right)
    run = ask(result_type)
    assert run.messages[-1].text == right
    assert len(standin.requests) == 2
    standin.brain = scripted(wrong, wrong, wrong)
    with pytest.raises(errors.RunFailed, match="ResultInvalid"):
        ask(result_type)


def test_the_next_run_of_the_thread_has_two_objections_of_its_own(standin: StandIn) -> None:
    standin.brain = scripted("one", "two", PLACE, "four", "five", PLACE)
    thread = Thread()
    assert [ask(Place, thread).result.people for _ in range(2)] == [3, 3]


def test_a_run_that_asked_for_no_type_has_no_result(standin: StandIn) -> None:
    standin.brain = scripted(PLACE)
    run = Assistant(name="asked").say("Well?", event_handler_class=None)
    assert run.result is None
    with pytest.raises(errors.ResultInvalid, match="was not enqueued with a result_type"):
        run.result_as(Place)


def test_validators_that_no_schema_tells_of_speak_where_the_result_is_read(
    standin: StandIn,
) -> None:
    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def _is_even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("it is odd")
            return number

    standin.brain = scripted('{"number": 3}')
    run = ask(Even)
    with pytest.raises(errors.ResultInvalid, match="it is odd"):
        _ = run.result


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_what_cannot_be_a_result_is_refused_before_anything_is_written(lasting: Lasting) -> None:
    class Opaque:
        pass

    thread = Thread()
    with pytest.raises(TypeError, match="result_type cannot be Opaque"):
        ask(Opaque, thread)
    with pytest.raises(TypeError, match="not both"):
        ask(Place, thread, response_format={"type": "json_object"})
    with pytest.raises(errors.ThreadNotFound):
        thread.refresh()


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_another_worker_goes_on_counting_where_the_first_was_killed(
    environment: None, workers: Workers, standin: StandIn
) -> None:
    # The third answer never comes while the first worker lives.
    [first] = workers.start("bot")
    standin.brain = scripted("one", "two", Fault.hang(), "three", PLACE)
    run = Assistant(name="asked").enqueue("Well?", result_type=Place)
    wait_until(lambda: len(standin.requests) == 3, "the model was told twice")
    first.kill()
    workers.start("bot")
    run.wait(30)
    assert (run.status, run.last_error and run.last_error.name) == ("failed", "ResultInvalid")
    assert run.attempt == 2


class Word(BaseModel):
    word: str = Field(pattern=r"^\p{Lu}\p{Ll}+$")
    parts: dict[Annotated[str, Field(pattern=r"^\p{Lu}$")], int] = {}


def test_patterns_mean_what_they_mean_to_pydantic(standin: StandIn) -> None:
    standin.brain = scripted('{"word": "bonn"}', '{"word": "Ärger", "parts": {"A": 1}}')
    run = ask(Word)
    assert run.result == Word(word="Ärger", parts={"A": 1})
    assert "does not match" in str(standin.requests[-1].body)


def test_a_pattern_does_not_hold_up_a_worker_whatever_the_model_says(standin: StandIn) -> None:
    class Slow(BaseModel):
        word: str = Field(pattern=r"^(a+)+$")

    standin.brain = scripted(f'{{"word": "{"a" * 60}!"}}', '{"word": "aa"}')
    assert ask(Slow).result == Slow(word="aa")


def test_a_pattern_that_only_the_caller_understands_is_left_to_the_caller(
    standin: StandIn,
) -> None:
    class Ahead(BaseModel):
        model_config = ConfigDict(regex_engine="python-re")

        word: str = Field(pattern=r"^a(?=b)")

    standin.brain = scripted('{"word": "ac"}')
    run = ask(Ahead)
    with pytest.raises(errors.ResultInvalid):
        _ = run.result
